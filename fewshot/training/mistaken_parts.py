"""Places of a drawing that the face parser gives to skin or hair, and that have quite another colour.

A lock of hair or a piece of cloth that passes for skin is a twentieth of a drawing's skin. A result whose
skin is to have the same colours in the same shares gets it too, where no lock is: a grey spot on a cheek.
"""

from __future__ import annotations

import torch
from torch import Tensor

from eval.face_parsing import PARTS
from fewshot.training.drawing_parser import away_from_median, paint

_ONE_COLOUR = ("skin", "hair")
"""Parts of one colour in a drawing. What lies around a face has many, and eyes and mouths are too small."""
_FAR = 30.0
"""Distance in CIELAB to the part's median from which paint is another part's."""


def without_mistaken(parts: Tensor, drawings: Tensor) -> Tensor:
    """Probabilities of parts, and behind them that of none: sure where paint is not of its part's colour.

    Args:
        parts: `(B, P, h, w)`, as `eval.face_parsing` finds them.
        drawings: float `(B, 3, S, S)` in [0, 1].

    Returns:
        `(B, P + 1, h, w)`.
    """
    colours, flat = paint(drawings, parts.shape[-2:])
    found, mistaken = parts.argmax(1), torch.zeros_like(flat)
    for number in map(PARTS.index, _ONE_COLOUR):
        painted = flat & (found == number)
        mistaken |= painted & (away_from_median(colours, painted) > _FAR)
    # More than any probability, so that a place between two cells goes with the nearer one.
    return torch.cat([parts, mistaken[:, None] * 2.0], 1)

"""The comparison methods: what else one could do with a few drawings, all behind one interface.

Each takes the same drawings, photos and minutes as `fewshot adapt` and is measured on the same held-out
pictures. Only what can be built from what ships is here; published methods that need large downloads are
cited, not imitated. Importing this loads neither torch nor scikit-image.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from fewshot.evaluation.rivals.rival import Prepare, Redraw, Rival

if TYPE_CHECKING:
    from torch import Tensor

    from base_models.checkpoint import BaseModel

__all__ = ["RIVALS", "Prepare", "Redraw", "Rival"]


def _later(module: str, function: str) -> Prepare:
    """`function` of a module of this package, which is imported when it is called."""

    def prepare(
        drawings: Tensor, base: BaseModel, *, photos: Tensor | None, minutes: float, seed: int
    ) -> Redraw:
        found: Prepare = getattr(import_module(f"{__name__}.{module}"), function)
        return found(drawings, base, photos=photos, minutes=minutes, seed=seed)

    return prepare


_ALL = (
    Rival("photo", "the photo as it is: the best content, no style", False, _later("plain", "photo")),
    Rival("base", "the base without an adapter: the average style", False, _later("plain", "base_alone")),
    Rival(
        "reinhard",
        "colour transfer to the photo: mean and deviation of CIELAB (Reinhard et al. 2001)",
        False,
        _later("reinhard", "on_photo"),
    ),
    Rival(
        "reinhard-base",
        "the same colour transfer, to what the base draws (Reinhard et al. 2001)",
        False,
        _later("reinhard", "on_base"),
    ),
    Rival(
        "gatys",
        "Gram matrices by optimisation, a picture at a time (arXiv 1508.06576), on the shipped features",
        False,
        _later("optimised", "gatys"),
    ),
    Rival(
        "adain",
        "AdaIN's own loss (arXiv 1703.06868), minimised for each picture in place of its decoder",
        False,
        _later("optimised", "adain"),
    ),
    Rival(
        "cyclegan-scratch",
        "a CycleGAN (arXiv 1703.10593) of the base's size from random weights, trained as a base is",
        True,
        _later("scratch", "cyclegan"),
    ),
)

RIVALS: Mapping[str, Rival] = MappingProxyType({rival.name: rival for rival in _ALL})
"""Every comparison method by name, in the order of the table."""

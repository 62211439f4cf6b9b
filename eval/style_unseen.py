"""The style encoder as a judge of artists that it learned from: three more last layers, each without some.

An encoder that was shown an artist's drawings is no unbiased judge of a style trained on that artist. The
backbone was distilled without any artist; only the last layer was trained on them. So a file of three last
layers, each trained without the artists of one fold, gives every one of them a judge that never saw them.
`fewshot/training/style_unseen.py` makes it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from pathlib import Path

import torch
from safetensors import safe_open

from eval.errors import MissingWeightsError, UnknownNameError, WeightsMismatchError
from eval.features import UNSEEN
from eval.style_encoder import RESIZE, SquareStyle, StyleEncoder, load_style
from eval.weight_files import file_sha256

WEIGHTS = Path(__file__).parent / "weights" / "style_unseen.safetensors"
HEADER = "style_unseen"
LAST = ("norm", "project")
"""Modules of the encoder that a fold has its own of."""
_HINT = "reinstall the package, or make it anew with `python -m fewshot.training.style_unseen`"


def extractor_parts(artist: str) -> tuple[SquareStyle, str, str]:
    """Module, sha256 of the weight file and the fold, and resize method, for one that never saw `artist`.

    Raises:
        UnknownNameError: no fold left that artist out.
        MissingWeightsError, WeightsMismatchError: as `load_unseen`.
    """
    module = SquareStyle(load_unseen(artist))
    fold = f"{file_sha256(WEIGHTS)}:{unseen_artists()[artist]}"
    return module, hashlib.sha256(fold.encode()).hexdigest(), RESIZE


def unseen_artists(path: Path = WEIGHTS) -> dict[str, int]:
    """The fold, from 0, that was trained without each artist.

    Raises:
        MissingWeightsError, WeightsMismatchError: no such file, or unreadable.
    """
    return {artist: fold for fold, artists in enumerate(_facts(path)["folds"]) for artist in artists}


def load_unseen(artist: str, path: Path = WEIGHTS) -> StyleEncoder:
    """The shipped encoder with the last layer that never saw `artist`, frozen, in eval mode and float32.

    Raises:
        UnknownNameError: no fold left that artist out.
        MissingWeightsError: there is no such file.
        WeightsMismatchError: unreadable, or of another encoder.
    """
    folds = unseen_artists(path)
    if artist not in folds:
        close = difflib.get_close_matches(artist, folds, n=1)
        known = f"did you mean {UNSEEN}{close[0]}?" if close else f"it knows {', '.join(folds)}"
        raise UnknownNameError(
            f"no fold of the style encoder left out an artist called {artist!r}",
            f"{known}; anyone else was never seen by `style` itself",
        )
    encoder = load_style()
    own = f"{folds[artist]}."
    try:
        with safe_open(path, "pt") as file:
            state = {n.removeprefix(own): file.get_tensor(n) for n in file.keys() if n.startswith(own)}  # noqa: SIM118
        state = {n: t.float() if t.is_floating_point() else t for n, t in state.items()}
        missing = encoder.load_state_dict(state, strict=False).missing_keys
    except Exception as error:
        raise WeightsMismatchError(f"{path.name} cannot be read: {str(error)[:200]}", _HINT) from None
    if any(name.split(".")[0] in LAST for name in missing):
        raise WeightsMismatchError(f"{path.name} lacks a last layer for the fold of {artist}", _HINT)
    return encoder.eval().requires_grad_(False)


def last_layer(encoder: StyleEncoder) -> dict[str, torch.Tensor]:
    """What a fold has its own of, in float16 as it is stored."""
    return {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in encoder.state_dict().items()
        if name.split(".")[0] in LAST
    }


def _facts(path: Path) -> dict[str, list[list[str]]]:
    if not path.exists():
        raise MissingWeightsError(f"{path.name} is missing from {path.parent.name}/", _HINT)
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})[HEADER])
            folds = [[str(artist) for artist in fold] for fold in facts["folds"]]
            made_for = facts["encoder"]
    except Exception as error:
        raise WeightsMismatchError(f"{path.name} cannot be read: {error!r}", _HINT) from None
    if made_for != file_sha256(path.parent / "style.safetensors"):
        raise WeightsMismatchError(f"{path.name} belongs to another style.safetensors", _HINT)
    return {"folds": folds}

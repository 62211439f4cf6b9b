"""Named feature extractors: pictures in, one row of numbers per picture out.

`random` and `colour-edge` need no file and were in no loss of any training here: they judge. `perceptual` is
the shipped network that the losses use. `squeezenet`, `inception` and `timm:<model>` read a weight file.
Arithmetic is float32 wherever an extractor runs, whatever the program around it has set (autocast, TF32), so
that one picture has one row of features.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.errors import EvalError, UnknownNameError
from eval.precision import full_float32

_NAMES = {
    "random": "four untouched random convolutional networks; no file, in no loss: the headline judge",
    "random-steering": "the same with other seeds: may steer a training, so that `random` need not",
    "colour-edge": "Lab colour, edges, flatness and line widths; no file, no network",
    "style": "the shipped style encoder: drawings by one hand lie near each other; in no loss",
    "style-unseen:<artist>": "the same without the artists of one fold: a judge of one it learned from",
    "perceptual": "the shipped perceptual network, which the losses use too",
    "squeezenet": "SqueezeNet 1.0 on ImageNet; needs a weight file",
    "inception": "InceptionV3 as in published FID and KID; needs a weight file (91 MB)",
    "timm:<model>": "pooled features of any timm model; its file from the Hugging Face hub, or a given one",
}
_TIMM = "timm:"
UNSEEN = "style-unseen:"
"""Of the extractors of `style_unseen`; the artist follows."""
_WITH_FILE = ("squeezenet", "inception", "timm:<model>")


@dataclass(frozen=True)
class Extractor:
    """A frozen feature extractor; two extractors of one name and one sha256 give comparable numbers."""

    name: str
    """As given to `get_extractor`."""
    sha256: str
    """Of the weight file, or of the definition (seeds, sizes) where nothing is trained."""
    dim: int
    """Length D of one row of features."""
    resize: str
    """How pictures reach the extractor's size: published numbers differ by this alone, so print it."""
    standardised: bool
    """True if the features' fixed scale suits KID's kernel; for the others see `eval.distances.Scale`."""
    module: nn.Module = field(repr=False, compare=False)
    """Takes float RGB `(B, 3, H, W)` in [0, 1], gives `(B, D)`; in eval mode, without gradients."""
    device: torch.device = field(repr=False, compare=False, default_factory=lambda: torch.device("cpu"))
    """Where the module lives; input is moved there."""

    def __call__(self, images: Tensor) -> Tensor:
        """Features of a batch.

        Args:
            images: float RGB `(B, 3, H, W)` in [0, 1], H and W at least 16.

        Returns:
            `(B, D)` float32 on the extractor's device.

        Raises:
            EvalError: another shape or dtype.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            found = f"{tuple(images.shape)} {images.dtype}"
            raise EvalError(f"features need float pictures (B, 3, H, W) in [0, 1]; found {found}")
        with torch.inference_mode(), full_float32(self.device):
            return self.module(images.to(self.device, torch.float32)).float()


def list_extractors() -> dict[str, str]:
    """Names that `get_extractor` knows, each with one line about it."""
    return dict(_NAMES)


def get_extractor(
    name: str,
    *,
    weights: Path | None = None,
    sha256: str | None = None,
    device: str | torch.device = "cpu",
) -> Extractor:
    """Build an extractor by name.

    Args:
        name: one of `list_extractors()`; `timm:resnet18` and the like for timm models.
        weights: weight file of `squeezenet`, `inception` and `timm:*`; the others have none.
        sha256: of the weight file that is meant. `inception` knows the one of published numbers, and takes
            another file only when its sha256 is given.
        device: where to compute.

    Raises:
        UnknownNameError: no such extractor.
        MissingWeightsError: the weight file is not there (all ways to give it are named).
        WeightsMismatchError: the file has another sha256, or is of another network.
        EvalError: a file or sha256 for an extractor that has none, or a sha256 that is none.
    """
    if (weights is not None or sha256 is not None) and not takes_file(name):
        given = weights if weights is not None else f"sha256 {sha256}"
        raise EvalError(f"the extractor {name!r} takes no weight file; found {given}", "leave the file out")
    place = torch.device(device)
    module, own_sha256, resize, standardised = _build(name, weights, sha256)
    module = module.to(place).eval().requires_grad_(False)
    return Extractor(name, own_sha256, _dim(module), resize, standardised, module, place)


def takes_file(name: str) -> bool:
    """Whether an extractor of that name reads a weight file that can be given."""
    return (name not in _NAMES and not name.startswith(UNSEEN)) or name in _WITH_FILE


def _build(name: str, weights: Path | None, sha256: str | None) -> tuple[nn.Module, str, str, bool]:
    """Module, sha256, resize method and whether its scale is fixed."""
    if name in ("random", "random-steering"):
        from eval import random_features

        offset = 0 if name == "random" else random_features.STEERING_OFFSET
        return random_features.build(offset), random_features.sha256(offset), random_features.RESIZE, True
    if name == "colour-edge":
        from eval import colour_edge

        return colour_edge.ColourEdge(), colour_edge.sha256(), colour_edge.RESIZE, True
    if name == "style":
        from eval import style_encoder

        return *style_encoder.extractor_parts(), True
    if name.startswith(UNSEEN):
        from eval import style_unseen

        return *style_unseen.extractor_parts(name.removeprefix(UNSEEN)), True
    if name in ("perceptual", "squeezenet", "inception") or name.startswith(_TIMM):
        from eval import pretrained

        if name == "perceptual":
            return *pretrained.perceptual(), False
        if name == "squeezenet":
            return *pretrained.squeezenet(weights, sha256), False
        if name == "inception":
            return *pretrained.inception(weights, sha256), True
        return *pretrained.timm_model(name.removeprefix(_TIMM), weights, sha256), False
    close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(_NAMES)}"
    raise UnknownNameError(f"no extractor is called {name!r}", hint)


def _dim(module: nn.Module) -> int:
    dim = module.dim
    assert isinstance(dim, int)
    return dim


def extract(
    extractor: Extractor,
    images: np.ndarray | Tensor,
    batch: int = 32,
    *,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Features of many stored pictures, in their order.

    Args:
        extractor: from `get_extractor`.
        images: uint8 RGB `(N, 3, H, W)`.
        batch: pictures per step; changes memory, not results.
        names: of the pictures, for errors.

    Returns:
        `(N, D)` float32, finite; `(0, D)` for no pictures.

    Raises:
        EvalError: not uint8 or not `(N, 3, H, W)`, or features that are not finite.
    """
    stored = stored_pictures(images)
    rows = [compute(extractor, part) for part in stored.split(batch)] if len(stored) else []
    features = np.concatenate(rows) if rows else np.zeros((0, extractor.dim), np.float32)
    check_finite(extractor, features, names)
    return features


def stored_pictures(images: np.ndarray | Tensor) -> Tensor:
    """The pictures as a uint8 tensor `(N, 3, H, W)`; raises EvalError for another shape or type."""
    # A mirrored array has negative strides, which torch refuses.
    stored = images if isinstance(images, Tensor) else torch.as_tensor(np.ascontiguousarray(images))
    if stored.dtype != torch.uint8 or stored.ndim != 4 or stored.shape[1] != 3:
        raise EvalError(f"expected uint8 pictures (N, 3, H, W); found {tuple(stored.shape)} {stored.dtype}")
    return stored


def compute(extractor: Extractor, stored: Tensor) -> np.ndarray:
    """Features `(B, D)` float32 of one batch of uint8 pictures `(B, 3, H, W)`, not checked."""
    return extractor(stored.to(extractor.device).float().div_(255)).cpu().numpy()


def check_finite(extractor: Extractor, features: np.ndarray, names: Sequence[str] | None = None) -> None:
    """Refuse features `(N, D)` with a NaN or an infinity, by the name of the first such picture.

    Raises:
        EvalError: always with that name; without `names`, with its number from 1 on.
    """
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        name = names[bad[0]] if names else f"picture {bad[0] + 1} of {len(features)}"
        others = f" (and of {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise EvalError(
            f"{name}: its features by {extractor.name!r}{others} are not finite; expected numbers",
            "leave that picture out if it is alone, otherwise the weights are broken: fetch them again",
        )


def square(images: Tensor, size: int) -> Tensor:
    """Centre square of `(B, 3, H, W)`, resized to `size` with an antialiased bilinear filter.

    A crop rather than a stretch: stretching changes line widths and orientations, which are what is measured.
    """
    height, width = images.shape[2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    images = images[:, :, top : top + side, left : left + side]
    if side == size:
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True, align_corners=False)


@functools.cache
def square_text(size: int) -> str:
    """What `square` does, for reports."""
    return f"centre square, antialiased bilinear to {size}x{size}"

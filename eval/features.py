"""Named feature extractors: pictures in, one row of numbers per picture out.

`random` and `colour-edge` need no file and were in no loss of any training here: they judge. `perceptual` is
the shipped network that the losses use. `squeezenet`, `inception` and `timm:<model>` read a weight file.
"""

from __future__ import annotations

import difflib
import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from eval.errors import EvalError, UnknownNameError

_NAMES = {
    "random": "four untouched random convolutional networks; no file, in no loss: the headline judge",
    "random-steering": "the same with other seeds: may steer a training, so that `random` need not",
    "colour-edge": "Lab colour, edges, flatness and line widths; no file, no network",
    "perceptual": "the shipped perceptual network, which the losses use too",
    "squeezenet": "SqueezeNet 1.0 on ImageNet; needs a weight file",
    "inception": "InceptionV3 as in published FID and KID; needs a weight file (91 MB)",
    "timm:<model>": "pooled features of any timm model; needs a weight file",
}
_TIMM = "timm:"


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
        with torch.inference_mode():
            return self.module(images.to(self.device, torch.float32)).float()


def list_extractors() -> dict[str, str]:
    """Names that `get_extractor` knows, each with one line about it."""
    return dict(_NAMES)


def get_extractor(name: str, *, weights: Path | None = None, device: str | torch.device = "cpu") -> Extractor:
    """Build an extractor by name.

    Args:
        name: one of `list_extractors()`; `timm:resnet18` and the like for timm models.
        weights: weight file of `squeezenet`, `inception` and `timm:*`; the others have none.
        device: where to compute.

    Raises:
        UnknownNameError: no such extractor.
        MissingWeightsError: the weight file is not there (all ways to give it are named).
        WeightsMismatchError: the file is of another network.
    """
    if weights is not None and name in ("random", "random-steering", "colour-edge", "perceptual"):
        raise EvalError(f"the extractor {name!r} takes no weight file; found {weights}", "leave the file out")
    place = torch.device(device)
    module, sha256, resize, standardised = _build(name, weights)
    module = module.to(place).eval().requires_grad_(False)
    return Extractor(name, sha256, _dim(module), resize, standardised, module, place)


def _build(name: str, weights: Path | None) -> tuple[nn.Module, str, str, bool]:
    """Module, sha256, resize method and whether its scale is fixed."""
    if name in ("random", "random-steering"):
        from eval import random_features

        offset = 0 if name == "random" else random_features.STEERING_OFFSET
        return random_features.build(offset), random_features.sha256(offset), random_features.RESIZE, True
    if name == "colour-edge":
        from eval import colour_edge

        return colour_edge.ColourEdge(), colour_edge.sha256(), colour_edge.RESIZE, True
    if name in ("perceptual", "squeezenet", "inception") or name.startswith(_TIMM):
        from eval import pretrained

        if name == "perceptual":
            return *pretrained.perceptual(), False
        if name == "squeezenet":
            return *pretrained.squeezenet(weights), False
        if name == "inception":
            return *pretrained.inception(weights), True
        return *pretrained.timm_model(name.removeprefix(_TIMM), weights), False
    close = difflib.get_close_matches(name, _NAMES, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}?" if close else f"one of: {', '.join(_NAMES)}"
    raise UnknownNameError(f"no extractor is called {name!r}", hint)


def _dim(module: nn.Module) -> int:
    dim = module.dim
    assert isinstance(dim, int)
    return dim


def extract(extractor: Extractor, images: np.ndarray | Tensor, batch: int = 32) -> np.ndarray:
    """Features of many stored pictures, in their order.

    Args:
        extractor: from `get_extractor`.
        images: uint8 RGB `(N, 3, H, W)`.
        batch: pictures per step; changes memory, not results.

    Returns:
        `(N, D)` float32; `(0, D)` for no pictures.

    Raises:
        EvalError: not uint8 or not `(N, 3, H, W)`.
    """
    stored = torch.as_tensor(images)
    if stored.dtype != torch.uint8 or stored.ndim != 4 or stored.shape[1] != 3:
        raise EvalError(f"expected uint8 pictures (N, 3, H, W); found {tuple(stored.shape)} {stored.dtype}")
    rows = (
        [extractor(part.float() / 255).cpu().numpy() for part in stored.split(batch)] if len(stored) else []
    )
    return np.concatenate(rows) if rows else np.zeros((0, extractor.dim), np.float32)


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

"""A base and its blended styles as one function from pictures to pictures. Loads without torch.

Two engines do the same: ONNX Runtime (`onnx_engine.py`, the default, quick to start) and torch
(`torch_engine.py`, for whoever has the networks in memory).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from base_models.arrays import BaseArrays, load_arrays
from base_models.registry import same_model
from fewshot.adapters.adapter import Adapter
from fewshot.errors import IntegrityError, UsageError
from fewshot.home import base_folder
from fewshot.styles import load_style, parse_style

EngineKind = Literal["onnx", "torch"]
Styles = Sequence[tuple[Adapter, float]]
"""Adapters and their weights; none, or all of weight 0, is the base itself."""

BATCH = 8


class Engine(Protocol):
    """Photo to drawing through a base with any number of styles."""

    base_name: str
    """Of the base."""
    base_sha256: str
    """Its identity."""
    styles: tuple[tuple[str, float], ...]
    """Names and weights."""
    size: int
    """Shorter side of what it draws, px."""
    multiple: int
    """Both sides are multiples of it."""

    def draw(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw pictures uint8 `(N, 3, H, W)` as they are; H and W are multiples of `multiple`."""
        ...

    def stylize(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Draw pictures at the model's size.

        Args:
            images: uint8 `(N, 3, H, W)` RGB. They are resized (antialiased) so that the shorter side is
                `size`; a square of that size is used as it is.

        Returns:
            uint8 `(N, 3, h, w)` RGB, `size` px on the shorter side, the longer one rounded to a multiple of
            `multiple`.

        Raises:
            ValueError: another type or shape.
        """
        ...


def open_engine(
    base: BaseArrays, styles: Styles = (), kind: EngineKind = "onnx", *, device: str = "auto"
) -> Engine:
    """An engine of a kind.

    Args:
        device: `auto`, `cpu`, `cuda`, `coreml` or `directml`; torch knows no `coreml` and `directml`.

    Raises:
        IntegrityError: an adapter of another base, damaged, or without consent.
        UsageError: a device that is not here.
    """
    if kind == "torch":
        from fewshot.inference.torch_engine import TorchEngine

        return TorchEngine(base, styles, device=device)
    from fewshot.inference.onnx_engine import OnnxEngine

    return OnnxEngine(base, styles, device=device)


def load_blend(styles: Sequence[str], base: str | None) -> tuple[BaseArrays, list[tuple[Adapter, float]]]:
    """The base and the adapters with their weights that a person means: `["ink:0.6", "./folder"]` and perhaps
    the name or file of a base.

    Raises:
        UsageError: neither style nor base, a style twice, or a weight that cannot be read.
        NotFoundError: no such style.
        IntegrityError: styles of different bases, or damaged ones.
        CheckpointError: no such base, or a damaged one.
    """
    parsed = [parse_style(text) for text in styles]
    twice = [ref for number, (ref, _) in enumerate(parsed) if ref in [other for other, _ in parsed[:number]]]
    if twice:
        raise UsageError(f"--style {twice[0]} is given twice", f"give a weight: --style {twice[0]}:2")
    adapters = [(load_style(ref), weight) for ref, weight in parsed]
    if base is None:
        base = common_base([adapter for adapter, _ in adapters])
    return load_arrays(base, folders=(base_folder(),)), adapters


def working_size(height: int, width: int, size: int, multiple: int) -> tuple[int, int]:
    """Height and width that a picture is drawn at."""
    scale = size / min(height, width)
    even = [max(size, round(side * scale / multiple) * multiple) for side in (height, width)]
    return even[0], even[1]


def fitted(images: NDArray[np.uint8], size: int, multiple: int) -> NDArray[np.uint8]:
    """Pictures as an engine is shown them, `(N, 3, H, W)` to `(N, 3, h, w)`; see `Engine.stylize`."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"expected uint8 (N, 3, H, W), got {images.dtype} {images.shape}")
    height, width = working_size(images.shape[2], images.shape[3], size, multiple)
    if images.shape[2:] == (height, width):
        return images
    made = np.empty((len(images), 3, height, width), np.uint8)
    for place, image in enumerate(images):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        made[place] = np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
    return made


def common_base(adapters: Sequence[Adapter]) -> str:
    """The base that adapters were all made for, by its hash where two of them know it, else by its name.

    Raises:
        UsageError: there is no adapter.
        IntegrityError: they belong to different bases, or to none of this machine.
    """
    if not adapters:
        raise UsageError(
            "no style and no base to draw with", "name one: --style NAME, or --base scan_128.anime"
        )
    first = adapters[0]
    for other in adapters[1:]:
        both_known = bool(other.base_sha256 and first.base_sha256)
        key = "base_sha256" if both_known else "base_name"
        if getattr(other, key) != getattr(first, key):
            raise IntegrityError(
                f"the styles belong to different bases: {first.name} to {first.base_name}, {other.name} to "
                f"{other.base_name}",
                f"blend styles of one base, or train {other.name} on {first.base_name}: fewshot adapt",
            )
    return base_of(first)


def base_of(made_for: Adapter | Engine) -> str:
    """The name that the base of an adapter or an engine has on this machine."""
    return same_model(made_for.base_name, made_for.base_sha256, (base_folder(),))

"""Which part of a sample picture is where: the same shapes that are drawn, filled with the part's number."""

from __future__ import annotations

from importlib import import_module

import cv2
import numpy as np
from numpy.typing import NDArray

from fewshot.samples import SNAPSHOT
from fewshot.samples.face import FacePlan
from fewshot.samples.raster import Mask, Page
from fewshot.samples.sketch import Sketch, lay_out

_LINE, _LID = 0.12, 0.14
"""Width of a closed mouth and of a closed eye, half head widths."""


def draw_labelled(
    hand: str, plan: FacePlan, seed: tuple[int, ...], size: int, parts: tuple[str, ...]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A picture and the parts in it.

    Args:
        hand: one of `sample_hands()`, or `SNAPSHOT`.
        plan: who is drawn.
        seed: of the picture's own randomness.
        size: side, px.
        parts: names; a part's place among them is its number.

    Returns:
        RGB `(size, size, 3)` and numbers `(size, size)`, both uint8.
    """
    module = import_module(
        "fewshot.samples.snapshot" if hand == SNAPSHOT else f"fewshot.samples.hands.{hand}"
    )
    first, again = (np.random.default_rng(seed) for _ in range(2))
    if hand == SNAPSHOT:
        # A snapshot's proportions are the first thing that it draws.
        sketch = lay_out(module.sitter(plan), module.proportions(again))
    else:
        sketch = lay_out(plan, module.PROPORTIONS)
    return module.draw(plan, first, size), label(sketch, size, parts)


def label(sketch: Sketch, size: int, parts: tuple[str, ...]) -> NDArray[np.uint8]:
    """Numbers of the parts `(size, size)`, those in front over those behind; what is not drawn is ground."""
    page = Page(size)
    numbers = np.full((page.side, page.side), parts.index("ground"), np.uint8)
    for name, mask in _layers(sketch, page):
        numbers[mask > 0.5] = parts.index(name)
    return np.asarray(cv2.resize(numbers, (size, size), interpolation=cv2.INTER_NEAREST), np.uint8)


def _layers(sketch: Sketch, page: Page) -> list[tuple[str, Mask]]:
    """Parts from back to front."""
    features, unit = sketch.features, sketch.unit
    mouth = features.mouth
    opened = () if mouth.hole is None else (mouth.hole,)
    layers = [
        ("hair", page.fill(*sketch.back_hair)),
        ("skin", page.fill(sketch.neck)),
        ("clothes", page.fill(sketch.torso, *sketch.cloth_parts)),
        ("skin", page.fill(*sketch.ears, sketch.face)),
        ("hair", page.fill(*features.beard)),
        ("mouth", page.fill(mouth.upper_lip, mouth.lower_lip, *opened)),
        ("mouth", page.stroke(mouth.line, width=_LINE * unit)),
    ]
    for eye in features.eyes:
        lid = page.stroke(eye.upper, width=_LID * unit)
        layers.append(("eyes", lid if eye.closed else page.fill(eye.outline)))
    return [*layers, ("hair", page.fill(*sketch.front_hair)), ("eyes", page.fill(*features.lenses))]

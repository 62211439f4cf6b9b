"""Draw the sample pictures: `python -m fewshot.samples.draw --out DIR --count 24 --seed 0 --size 256`."""

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fewshot.samples import SNAPSHOT, sample_hands
from fewshot.samples.face import FacePlan

QUALITY = 85
_STRANGERS = 1000
Drawer = Callable[[FacePlan, np.random.Generator, int], NDArray[np.uint8]]


def draw_one(hand: str, index: int, seed: int = 0, size: int = 256) -> NDArray[np.uint8]:
    """Picture `index` of a hand, or a snapshot: (size, size, 3) uint8 RGB; all hands draw one index alike."""
    if hand == SNAPSHOT:
        # Other people than the hands draw: a photo of whom a hand is measured on would tell too much.
        seed, place, module = seed + _STRANGERS, 0, "fewshot.samples.snapshot"
    else:
        place, module = 1 + sample_hands().index(hand), f"fewshot.samples.hands.{hand}"
    plan = FacePlan.random(np.random.default_rng([seed, index]))
    drawer: Drawer = import_module(module).draw
    return drawer(plan, np.random.default_rng([seed, index, place]), size)


def draw_all(out: Path, count: int, seed: int, size: int, hands: tuple[str, ...]) -> list[Path]:
    """Write `out/<hand>/000.webp` … and return the paths."""
    paths = []
    for hand in hands:
        folder = out / hand
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            path = folder / f"{index:03d}.webp"
            Image.fromarray(draw_one(hand, index, seed, size)).save(path, quality=QUALITY, method=6)
            paths.append(path)
    return paths


def main(arguments: list[str] | None = None) -> None:
    """Command line of the drawing script."""
    parser = argparse.ArgumentParser(
        prog="python -m fewshot.samples.draw", description=(__doc__ or "").split(":")[0]
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write one sub-folder per hand into"
    )
    parser.add_argument("--count", type=int, default=24, help="pictures per hand")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other people")
    parser.add_argument("--size", type=int, default=256, help="side of a picture in pixels")
    parser.add_argument(
        "--hand",
        choices=(*sample_hands(), SNAPSHOT),
        action="append",
        help="only this hand (repeatable), or rendered snapshots; without, the hands",
    )
    options = parser.parse_args(arguments)
    hands = tuple(options.hand) if options.hand else sample_hands()
    for path in draw_all(options.out, options.count, options.seed, options.size, hands):
        print(path)


if __name__ == "__main__":
    main()

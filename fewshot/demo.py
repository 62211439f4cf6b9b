"""The main job on shipped samples: adapt the base to one scripted hand, redraw photos, measure, show.

Every fourth drawing of the hand is kept out of the training, so that the style rank compares the results with
drawings the adapter never saw. The other hands are its negatives. A photo is measured in four views (framed,
mirrored, closer, looser); views of one photo are no sample of photos, so there is no KID and the table counts
views and photos apart.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from base_models.registry import create_model
from fewshot.adapters.adapter import read_adapter
from fewshot.adapters.files import read_files
from fewshot.consent import Consent
from fewshot.data.pictures import list_pictures, open_picture, to_square
from fewshot.errors import ConflictError, FewshotError, UsageError
from fewshot.evaluation.comparison import Comparison, compare
from fewshot.evaluation.held_out import redraw
from fewshot.evaluation.sources import gather_drawings
from fewshot.files import atomic_write_bytes, atomic_write_text, clear_write_errors
from fewshot.home import base_folder, run_folder
from fewshot.inference.framing import find_face, frame
from fewshot.inference.torch_engine import TorchEngine
from fewshot.output import notice, progress, warn
from fewshot.samples import sample_folder, sample_hands
from fewshot.sheets import contact_sheet, is_sheet, marked, png_bytes
from recipes import Recipe, load_recipe, validate

HAND = "ink"
"""The hand that differs most from what the base draws: no colour, brush lines, paper."""
MINUTES = 3.5
"""Training time at most; loading, drawing and measuring take under a minute more."""
_LICENCE = "CC0-1.0 drawings made by this project"
VIEWS = 4
_SIGNS = (1, -1, 1, 1)
"""Of a head's tilt in each view: the second is mirrored."""
COLUMNS = 6
_KEEP_OUT = 4
_SHEET, _METRICS = "sheet", "metrics.json"


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    style: str
    """Name of the style, ready for `fewshot stylize --style`."""
    comparison: Comparison
    """Before and after."""
    sheet: Path
    """The contact sheet."""
    files: tuple[Path, ...]
    """Every file written: the sheet, metrics.json and one drawing per photo."""
    steps: int
    """Steps trained."""
    seconds: float
    """The whole demo."""


def run_demo(
    out: Path,
    photos: Sequence[Path] = (),
    *,
    hand: str = HAND,
    base: str = "scan_128.anime",
    steps: int | None = None,
    minutes: float = MINUTES,
) -> Demo:
    """Adapt, redraw, measure, and write `out`/sheet.png, metrics.json and one PNG per photo.

    Args:
        out: folder; what an earlier demo left there is replaced, anything else is not.
        photos: the user's photos, drawn beside scikit-image's `astronaut`.
        hand: the sample hand to adapt to.
        base: name or file of the base.
        steps: at most; the recipe's when None.
        minutes: of training, at most.

    Raises:
        NotFoundError: no such hand, photo or base.
        BadInputError: a photo that cannot be used, or an `out` that cannot be written to; known before the
            training, as is the next.
        ConflictError: a file of one of these names, or a style of the demo's, is there that no demo made.
    """
    began = time.monotonic()
    model = create_model(base, folders=(base_folder(),))
    size = model.netG_A.size
    negatives = {name: sample_folder(name) for name in sample_hands() if name != hand}
    training, kept_out = split_hand(sample_folder(hand))
    named = name_photos(photos)
    views = [photo_views(image, size) for image in named.values()]
    recipe = demo_recipe(steps)
    style = f"demo-{hand}"
    _check_replaceable(run_folder(style))
    _check_writable(out, named)
    from fewshot.training.adapt import adapt_style

    with tempfile.TemporaryDirectory(prefix="fewshot-demo-") as folder:
        drawings, unseen = Path(folder) / hand, Path(folder) / "unseen"
        for place, files in ((drawings, training), (unseen, kept_out)):
            place.mkdir()
            for file in files:
                shutil.copy(file, place)
        notice(f"adapting {model.name} to {len(training)} drawings of the hand {hand!r}")
        try:
            outcome = adapt_style(
                drawings,
                name=style,
                base=base,
                recipe=recipe,
                overwrite=True,
                max_minutes=minutes,
                licence=_LICENCE,
                consent=Consent("self"),
                # One script made them all.
                look_for_hands=False,
            )
        except FewshotError as error:
            if error.exit_code == 130:
                # The drawings go with this folder, so there is nothing that --resume could go on with.
                error.hint = "run the demo again; it starts anew"
            raise
        if outcome.best_step == 0:
            warn("no look came nearer to the drawings than the base: give it more --minutes")
        trained, references = (gather_drawings(folder, size).pixels for folder in (drawings, unseen))
    engines = TorchEngine(model), TorchEngine(model, [(read_adapter(outcome.adapter), 1.0)])
    # First the photos as framed, then their other views: the sheet starts with what people want to see.
    shown = np.concatenate([np.stack([view[i] for view in views]) for i in range(VIEWS)])
    tilts = [face.roll if (face := find_face(image)) else 0.0 for image in named.values()]
    before, after = redraw(shown, *engines, rolls=[sign * tilt for sign in _SIGNS for tilt in tilts])
    with progress("measuring", 1) as bar:
        others = {name: gather_drawings(folder, size).pixels for name, folder in negatives.items()}
        comparison = compare(
            after, before, shown, references, others, target=hand, training=trained, views=VIEWS
        )
        bar.update(1)
    rows = [("drawings", trained), ("photos", shown), ("base", before), (f"{hand} style", after)]
    sheet = contact_sheet([(caption, pictures[:COLUMNS]) for caption, pictures in rows])
    written = _write(out, sheet, comparison, dict(zip(named, after, strict=False)))
    return Demo(style, comparison, written[0], written, outcome.steps, time.monotonic() - began)


def demo_recipe(steps: int | None) -> Recipe:
    """The recipe `quick`, cut to `steps` if given.

    Raises:
        UsageError: steps under 1.
    """
    recipe = load_recipe("quick")
    if steps is None:
        return recipe
    if steps < 1:
        raise UsageError(f"{steps} steps; expected 1 or more", "leave --steps out for the recipe's number")
    shorter = {
        "steps": steps,
        "eval_every": min(recipe.eval_every, steps),
        "warmup_steps": min(recipe.warmup_steps, steps - 1),
    }
    return validate(recipe.model_dump() | shorter, "the recipe of the demo")


def split_hand(folder: Path) -> tuple[list[Path], list[Path]]:
    """Drawings to train on, and every fourth one to measure with."""
    files = list_pictures(folder)
    return [f for i, f in enumerate(files) if i % _KEEP_OUT], files[::_KEEP_OUT]


def name_photos(paths: Sequence[Path]) -> dict[str, Image.Image]:
    """The astronaut (NASA, public domain; in scikit-image's wheel) and the user's photos, by file stem.

    Raises:
        NotFoundError, BadInputError: a photo that cannot be read.
    """
    from skimage.data import astronaut

    named = {"astronaut": Image.fromarray(astronaut())}
    # Some file systems hold A.png and a.png for one file; sheet.png is the contact sheet.
    taken = {"astronaut", _SHEET}
    for path in paths:
        name, number = path.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{path.stem}-{number}"
        taken.add(name.casefold())
        named[name] = open_picture(path)
    return named


def photo_views(image: Image.Image, size: int) -> np.ndarray:
    """Four views of one photo, uint8 `(4, 3, size, size)`: framed, mirrored, a tenth closer, a tenth looser.

    Where the photo ends at its frame, the looser view is padded with its border's colour.
    """
    framed = frame(image)
    left, top, right, bottom = framed.box
    inset = round(0.1 * (right - left))
    closer = framed.image.crop((inset, inset, framed.image.width - inset, framed.image.height - inset))
    wide = (left - inset, top - inset, right + inset, bottom + inset)
    wide = (max(wide[0], 0), max(wide[1], 0), min(wide[2], image.width), min(wide[3], image.height))
    whole = to_square(framed.image, size)
    squares = (whole, whole[:, ::-1], to_square(closer, size), to_square(image.crop(wide), size, "pad"))
    return np.stack([np.ascontiguousarray(square.transpose(2, 0, 1)) for square in squares])


def _check_replaceable(run: Path) -> None:
    """Refuse to replace a style that somebody gave the demo's name."""
    if (run / "adapter").exists() and read_files(run / "adapter").record.get("licence") != _LICENCE:
        raise ConflictError(f"there is a style {run.name!r} in {run} that no demo made", "move it away")


def _check_writable(out: Path, named: Iterable[str]) -> None:
    """Fail before the training rather than after it; only what an earlier demo wrote is replaced."""
    if out.exists() and not out.is_dir():
        raise ConflictError(f"{out} is a file; expected a folder for the demo", "choose another with -o")
    pictures = [out / f"{name}.png" for name in (_SHEET, *named)]
    others = [path for path in pictures if path.exists() and not is_sheet(path)]
    if (out / _METRICS).exists() and not is_sheet(pictures[0]):
        others.append(out / _METRICS)
    if others:
        raise ConflictError(
            f"{others[0]} exists already and is not of a demo",
            "move it away, or choose another folder with -o",
        )
    with clear_write_errors(out):
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()


def _write(
    out: Path, sheet: Image.Image, comparison: Comparison, drawings: dict[str, np.ndarray]
) -> tuple[Path, ...]:
    contents = {f"{_SHEET}.png": png_bytes(sheet)}
    for name, pixels in drawings.items():
        picture = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
        contents[f"{name}.png"] = png_bytes(marked(picture))
    for name, content in contents.items():
        atomic_write_bytes(out / name, content)
    atomic_write_text(out / _METRICS, json.dumps(comparison.to_dict(), indent=2) + "\n")
    return (*(out / name for name in contents), out / _METRICS)

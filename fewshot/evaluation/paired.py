"""The paper's kind of benchmark: unpaired training, paired testing, PSNR and SSIM in both directions.

Façade pictures (CMP Facades) hold a photo in their left half and its label map in their right half. Training
sees the two sides unpaired and never the held-out pictures; on those, each result is compared with the one
right answer, which faces have not.

The paper's own values are known second hand only: façades to labels 8.28 dB / 0.29 against CycleGAN's 6.68 /
0.08, labels to façades 10.67 / 0.17 against 7.61 / 0.11. Size, resizing and the kind of SSIM behind them are
not known, so it is the order that has to hold, not the numbers. Both measures reward a blurred guess: the row
`mean picture` is what one gets without looking, the mean of the training side.

Budgets are equal in pairs or in minutes; what each is fair in, `fewshot.training.ablation` says.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import BaseModel
from base_models.counts import count_macs, count_parameters
from base_models.variants import FULL, ONE_STAGE, STACKED
from eval.fidelity import mean_estimate, psnr, ssim
from fewshot.data.archives import list_names, read_members
from fewshot.data.packs import Pack, is_held_out, load_pack, source_stem
from fewshot.data.pictures import read_picture
from fewshot.errors import BadInputError, NotFoundError
from fewshot.evaluation.ablation_table import triple
from fewshot.evaluation.held_out import redraw
from fewshot.files import atomic_write, atomic_write_bytes, atomic_write_text
from fewshot.home import cache_folder
from fewshot.inference.torch_engine import TorchEngine
from fewshot.output import notice
from fewshot.sheets import contact_sheet, png_bytes
from fewshot.training.ablation import Budget, Trained, train_variants
from fewshot.training.pretrain_run import BaseRun, Source

MODELS = (ONE_STAGE, STACKED, FULL)
"""The variants that the benchmark compares, in the order that the claim says they come out, worst first."""

TEXTS = {"PSNR dB": "psnr", "gain dB": "psnr_gain", "SSIM": "ssim"}
"""Columns of the table for `ablation_table.table_row`; the gain is over `one_stage`, picture by picture."""

COLUMNS = ("direction", "model", *TEXTS, "pairs", "minutes")
"""Of the table."""

ALL_COLUMNS = (
    *("direction", "model", "n", "px", "psnr", "psnr_gain", "ssim", "ssim_gain"),
    *("pairs", "minutes", "gmacs", "parameters"),
)
"""Of JSON; a measure is `[value, low, high]`."""

Row = dict[str, Any]

_LEFT, _RIGHT = "photos", "labels"
_DIRECTIONS = ("to labels", "to photo")
_MEAN = "mean picture"
_SHOWN = 6


def split_halves(source: Path) -> Path:
    """Cut pictures of two squares side by side into an archive of `photos/` and `labels/`, losslessly.

    The archive is kept in the cache under the source's own name, so that `is_held_out` knows its pictures.

    Args:
        source: .tar archive of pictures twice as wide as high.

    Raises:
        NotFoundError: there is no such file.
        BadInputError: a picture that cannot be read or has another shape, no picture, or a damaged archive.
    """
    if not source.is_file():
        raise NotFoundError(f"{source} is not a file", "give the .tar archive of paired pictures")
    names = sorted(list_names(source))
    if not names:
        raise BadInputError(f"{source} holds no picture", "expected pictures of two halves side by side")
    stat = source.stat()
    key = hashlib.sha256(repr((source.resolve(), stat.st_mtime_ns, stat.st_size, names)).encode()).hexdigest()
    path = cache_folder() / "halves" / key[:16] / f"{source.stem}.tar"
    if not path.exists():
        atomic_write(path, lambda file: _write_tar(file, _cut_all(source, names)))
    return path


def _cut_all(source: Path, names: list[str]) -> Iterator[tuple[str, bytes]]:
    seen: set[Path] = set()
    for name, data in read_members(source, names):
        path = Path(name).with_suffix(".png")
        # Other folders stay: what is held out may lie in one of its own.
        path = path.relative_to(source.stem) if path.parts[0] == source.stem else path
        if path in seen:
            raise BadInputError(f"{source} holds two pictures called {path.with_suffix('')}", "rename one")
        seen.add(path)
        for side, half in zip((_LEFT, _RIGHT), _cut(f"{source}: {name}", data), strict=True):
            buffer = io.BytesIO()
            half.save(buffer, "PNG", compress_level=1)
            yield f"{side}/{path.as_posix()}", buffer.getvalue()


def _cut(label: str, data: bytes) -> tuple[Image.Image, Image.Image]:
    image = read_picture(label, data).image
    side = image.height
    if image.width != 2 * side:
        raise BadInputError(
            f"{label} is {image.width}x{side} px, expected twice as wide as high",
            "give pictures whose left half is the photo and right half its label map",
        )
    return image.crop((0, 0, side, side)), image.crop((side, 0, 2 * side, side))


def _write_tar(file: IO[bytes], members: Iterator[tuple[str, bytes]]) -> None:
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def load_halves(archive: Path, size: int, *, held_out: bool) -> tuple[Pack, Pack]:
    """Left and right halves, in the same order, of an archive that `split_halves` made.

    Args:
        archive: the archive.
        size: side of the squares, px.
        held_out: only the held-out pictures, or only the others.

    Raises:
        BadInputError: there are none.
    """

    def keep(stem: str, name: str) -> bool:
        return is_held_out(stem, name) is held_out

    if not any(keep(source_stem(archive), name) for name in list_names(archive)):
        raise BadInputError(
            f"{archive.name}: {'none' if held_out else 'all'} of its pictures are held out",
            "give more pictures, or name a folder of them heldout" if held_out else "give more pictures",
        )
    left, right = (load_pack(archive, size, keep=keep, within=side) for side in (_LEFT, _RIGHT))
    return left, right


def run_benchmark(template: BaseRun, source: Path, budget: Budget) -> list[Row]:
    """Train `MODELS` on the two sides of a source and measure them on its held-out pictures.

    The rows, and a sheet of the first held-out pictures, are also written to the run folder
    `ARCH-facades.TAG`.

    Args:
        template: as for `train_variants`; its sources are not used.
        source: .tar archive of pairs side by side.
        budget: pairs or minutes of training for each model, all stages together.

    Raises:
        BadInputError: as `split_halves`, or nothing in the source is held out.
        KeyboardInterrupt, ConflictError, UsageError: as `train_variants`.
    """
    archive = split_halves(source)
    size = ARCHITECTURES[template.config.arch].stages[-1].size
    # Before hours of training, so that what cannot be measured fails early.
    test = load_halves(archive, size, held_out=True)
    known = load_halves(archive, size, held_out=False)
    sides = (Source(archive, within=_LEFT),), (Source(archive, within=_RIGHT),)
    template = replace(template, photos=sides[0], drawings=sides[1])
    folder, trained = train_variants("facades", template, MODELS, budget)
    rows, pictures = measure(trained, test, known)
    atomic_write_text(folder / "metrics.json", json.dumps(rows, indent=2) + "\n")
    sheet = contact_sheet([(caption, some[:_SHOWN]) for caption, some in pictures])
    atomic_write_bytes(folder / "sheet.png", png_bytes(sheet))
    notice(f"numbers and sheet in {folder}")
    return rows


def measure(
    trained: Mapping[str, Trained], test: tuple[Pack, Pack], known: tuple[Pack, Pack]
) -> tuple[list[Row], list[tuple[str, NDArray[np.uint8]]]]:
    """PSNR and SSIM of every model in both directions, and the pictures as rows of a sheet.

    Args:
        trained: models by name, `one_stage` among them.
        test: photos and labels of the same pictures, to measure on.
        known: photos and labels trained on, for the mean picture.
    """
    rows: list[Row] = []
    sheet = [("photo", test[0].pixels), ("labels", test[1].pixels)]
    for side, direction in enumerate(_DIRECTIONS):
        shown, target = test[side].pixels, test[1 - side].pixels
        mean = known[1 - side].pixels.mean(0).round().astype(np.uint8)
        results = {_MEAN: np.broadcast_to(mean, target.shape)}
        for name, one in trained.items():
            (results[name],) = redraw(shown, TorchEngine(one.model if side == 0 else _turned(one.model)))
            sheet.append((f"{name}\n{direction.split()[-1]}", results[name]))
        values = {name: (psnr(made, target), ssim(made, target)) for name, made in results.items()}
        rows += [_row(direction, name, values, trained.get(name), target.shape) for name in results]
    return rows, sheet


def _turned(model: BaseModel) -> BaseModel:
    """The model with its directions exchanged."""
    return replace(model, netG_A=model.netG_B, netG_B=model.netG_A)


def _row(
    direction: str,
    name: str,
    values: Mapping[str, tuple[np.ndarray, np.ndarray]],
    one: Trained | None,
    shape: tuple[int, ...],
) -> Row:
    row: Row = {"direction": direction, "model": name, "n": shape[0], "px": shape[-1]}
    for place, key in enumerate(("psnr", "ssim")):
        own, plain = values[name][place], values[ONE_STAGE][place]
        row[key] = triple(mean_estimate(own))
        row[f"{key}_gain"] = None if name == ONE_STAGE else triple(mean_estimate(own - plain))
    if one is not None:
        net = one.model.netG_A
        row |= {"pairs": one.pairs, "minutes": one.minutes, "parameters": count_parameters(net)}
        row["gmacs"] = count_macs(net, net.size) / 1e9
    return row

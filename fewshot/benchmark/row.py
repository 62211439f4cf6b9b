"""One row: one candidate on one artist, measured on pictures that nothing was trained or chosen on.

    python -m fewshot.benchmark.row SPEC.json

is how `run.py` starts it: in a process of its own, so that its peak memory is its own too.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from base_models.registry import create_model
from eval.distances import kid_ratio_interval
from eval.features import UNSEEN, extract, get_extractor
from eval.structure import STRUCTURE
from eval.style_rank import style_rank
from eval.style_unseen import unseen_artists
from fewshot.benchmark.candidates import Candidate, draw
from fewshot.data.duplicates import find_twins, fingerprint
from fewshot.data.style_set import DrawingCrop
from fewshot.errors import UsageError
from fewshot.evaluation.comparison import JUDGES, Comparison, compare
from fewshot.evaluation.features import features_of
from fewshot.evaluation.held_out import redraw
from fewshot.evaluation.negatives import with_shipped
from fewshot.evaluation.record import FEW
from fewshot.evaluation.sources import Gathered, gather, gather_drawings
from fewshot.files import atomic_write_bytes, atomic_write_text
from fewshot.home import base_folder
from fewshot.inference.torch_engine import TorchEngine
from fewshot.output import warn
from fewshot.sheets import contact_sheet, png_bytes

_COLUMNS = 16


@dataclass(frozen=True)
class Spec:
    """What a row is made from; JSON-ready."""

    candidate: Candidate
    """What draws."""
    artist: str
    """Name."""
    train: str
    """Folder of the drawings to learn from."""
    heldout: dict[str, str]
    """Folder of the held-out drawings of every artist, this one's included."""
    photos: str
    """Folder or archive of the photos to redraw."""
    indices: str | None
    """Which of them."""
    paired: bool
    """Whether each photo's true drawing is the held-out one of the same name."""
    base: str
    """Name or file of the base."""
    sheet: str
    """Where the contact sheet goes."""
    style: str
    """Name of the run of a recipe."""

    def to_dict(self) -> dict[str, Any]:
        """For `from_dict`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Spec:
        """The inverse of `to_dict`."""
        candidate = dict(data["candidate"])
        candidate["overrides"] = tuple(candidate["overrides"])
        return cls(**{**data, "candidate": Candidate(**candidate)})


def style_judge(artist: str) -> str:
    """The style extractor that never saw `artist`."""
    return UNSEEN + artist if artist in unseen_artists() else "style"


def measure(spec: Spec) -> dict[str, Any]:
    """Learn, redraw, measure: the row as it is kept.

    Raises:
        FewshotError: pictures, a recipe or a base that cannot be used.
    """
    base = create_model(spec.base, folders=(base_folder(),))
    size = base.netG_A.size
    photos = gather(Path(spec.photos), size, indices=spec.indices)
    learned_on = _learned_on(spec, photos) if spec.candidate.learn_on else None
    faces, wholes = _drawings(spec, size, "face"), _drawings(spec, size, "center")
    drawings = faces[spec.artist]
    training = gather_drawings(Path(spec.train), size)
    repeated = _repeated(gather_drawings(Path(spec.train), size, "center"), wholes[spec.artist])
    drawn = draw(spec.candidate, Path(spec.train), photos.pixels, base, spec.base, spec.style)
    (before,) = redraw(photos.pixels, TorchEngine(base))
    compared = compare(
        drawn.results,
        before,
        photos.pixels,
        drawings,
        {name: side for name, side in faces.items() if name != spec.artist},
        extractors=(*JUDGES, style_judge(spec.artist)),
        target=spec.artist,
        training=training.pixels,
    )
    _write_sheet(Path(spec.sheet), spec, drawings, photos, before, drawn.results)
    row = {
        "artist": spec.artist,
        "kind": spec.candidate.kind,
        "candidate": spec.candidate.label,
        "identity": spec.candidate.identity,
        "base": {"name": base.name, "sha256": base.sha256},
        "trained_on": len(training),
        "repeated": repeated,
        "photos_learned_on": learned_on,
        **{k: round(v, 4) if isinstance(v, float) else v for k, v in drawn.cost.items()},
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2),
        **numbers(compared, spec.artist),
        "one_framing": _in_one_framing(faces, before, drawn.results, spec.artist),
        "whole": {"kid_ratio": _kid_ratio(wholes[spec.artist], before, drawn.results)},
        "photos": {"source": photos.source, "first": photos.names[0], "last": photos.names[-1]},
    }
    if spec.paired:
        from fewshot.benchmark.truth import truth

        # In their own places, as the photos are.
        row["truth"] = truth(photos, wholes[spec.artist], before, drawn.results)
    return row


def _learned_on(spec: Spec, photos: Gathered) -> int:
    """How many photos the recipe is given; raises UsageError if it will redraw one of them."""
    given = gather(Path(spec.candidate.learn_on), photos.pixels.shape[-1]).pixels
    both = {picture.tobytes() for picture in given} & {picture.tobytes() for picture in photos.pixels}
    if both:
        raise UsageError(
            f"{len(both)} of the photos to redraw are among those to learn on", "give others for one of both"
        )
    return len(given)


def _repeated(training: Gathered, held_out: Gathered) -> int:
    """How many held-out drawings are near copies of drawings to learn from; told, since they flatter."""
    prints = [
        fingerprint(Image.fromarray(picture.transpose(1, 2, 0)), content)
        for side in (training, held_out)
        for picture, content in zip(side.pixels, side.hashes, strict=True)
    ]
    twins = {twin.index for twin in find_twins(prints) if twin.of < len(training) <= twin.index}
    if twins:
        names = ", ".join(held_out.names[index - len(training)] for index in sorted(twins))
        warn(f"{held_out.source}: {len(twins)} of {len(held_out)} repeat drawings to learn from: {names}")
    return len(twins)


def _drawings(spec: Spec, size: int, crop: DrawingCrop) -> dict[str, Gathered]:
    """Held-out drawings of every artist."""
    return {name: gather_drawings(Path(path), size, crop) for name, path in spec.heldout.items()}


def _in_one_framing(
    faces: dict[str, Gathered], before: np.ndarray, after: np.ndarray, artist: str
) -> dict[str, Any]:
    """The style rank among drawings cut about their faces alone, whatever the size of the heads in them."""
    judge = get_extractor(style_judge(artist))
    cut = {name: features_of(judge, side, quiet=True)[:, None] for name, side in faces.items()}
    own = cut.pop(artist)
    gallery = {artist: own, **with_shipped(judge, own, cut)}
    sides = {"style_top1": after, "style_top1_base": before}
    ranks = {key: style_rank(extract(judge, side), gallery, artist) for key, side in sides.items()}
    return {key: _triple(rank.top1) for key, rank in ranks.items()}


def _kid_ratio(drawings: Gathered, before: np.ndarray, after: np.ndarray) -> list[float | None] | None:
    """The KID ratio to the drawings as they are, busts and their grounds; None of few pictures."""
    if min(len(drawings), len(after)) < FEW:
        return None
    judge = get_extractor(JUDGES[0])
    sides = (features_of(judge, drawings, quiet=True), extract(judge, before), extract(judge, after))
    return _triple(kid_ratio_interval(*sides, extractor=judge.name))


def numbers(compared: Comparison, artist: str) -> dict[str, Any]:
    """What the table tells, each as value, lower and upper end of the 95 % interval."""
    record = compared.to_dict()
    judge = style_judge(artist)
    kid, edge = (compared.find("KID", name) for name in JUDGES)
    style, content = compared.find("style top-1", judge), compared.find("content top-1", STRUCTURE)
    found: dict[str, Any] = {"n": record["n"], "negatives": record["negatives"], "judge": judge}
    for key, measure in (
        ("kid", kid),
        ("kid_colour_edge", edge),
        ("style_top1", style),
        ("content", content),
    ):
        if measure is None:
            continue
        found[key], found[f"{key}_base"] = _triple(measure.style), _triple(measure.base)
        if measure.ratio is not None:
            found[f"{key}_ratio"] = _triple(measure.ratio)
    found["chance"] = style.chance if style else None
    found["copied"] = compared.copied.value if compared.copied else None
    found["copies"] = list(compared.copies)
    found["extractors"] = record["extractors"]
    return found


def _triple(estimate: Any) -> list[float | None]:
    values = (estimate.value, estimate.low, estimate.high)
    return [round(v, 5) if np.isfinite(v) else None for v in values]


def _write_sheet(
    path: Path, spec: Spec, drawings: Gathered, photos: Gathered, before: np.ndarray, after: np.ndarray
) -> None:
    """The first pictures of each, by index and never chosen."""
    rows = [("drawings", drawings.pixels[:8])]
    for start in range(0, min(_COLUMNS, len(photos)), 8):
        part = slice(start, start + 8)
        rows += [
            ("photos", photos.pixels[part]),
            ("base", before[part]),
            (spec.candidate.name, after[part]),
        ]
    atomic_write_bytes(path, png_bytes(contact_sheet(rows)))


def main() -> None:
    path = Path(sys.argv[1])
    spec = Spec.from_dict(json.loads(path.read_text()))
    atomic_write_text(path.with_suffix(".row"), json.dumps(measure(spec)))


if __name__ == "__main__":
    from fewshot.cli.failures import report

    try:
        main()
    except (Exception, KeyboardInterrupt) as error:
        sys.exit(report(error))

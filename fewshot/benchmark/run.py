"""Every candidate on every artist, a process each; what is measured already is not measured again."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base_models.registry import create_model
from eval.framings import JUDGED
from fewshot.benchmark.artists import Artist
from fewshot.benchmark.candidates import Candidate, stamp
from fewshot.benchmark.row import Spec
from fewshot.files import atomic_write_text
from fewshot.home import base_folder
from fewshot.output import notice, progress, warn

ROWS = "rows.jsonl"


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    artists: tuple[Artist, ...]
    """All of them stand in the gallery of the style rank."""
    chosen: tuple[str, ...]
    """Names of those to measure."""
    candidates: tuple[Candidate, ...]
    """Recipes and rivals."""
    photos: Path
    """Photos to redraw, where an artist has none of their own."""
    indices: str | None
    """Which of them."""
    base: str
    """Name or file of the base."""
    out: Path
    """Folder of rows, sheets and the measured styles."""


def run(plan: Plan) -> list[dict[str, Any]]:
    """Measure what is missing in `out/rows.jsonl` and return all rows of the plan.

    A row is missing, too, where its pictures or its base have changed since.

    A candidate that fails is named and left out; a repeat tries it again. Rows are kept one by one, so that a
    kill loses the one in the making.
    """
    jobs = [(a, c) for c in plan.candidates for a in plan.artists if a.name in plan.chosen]
    done = {_key(row): row for row in read_rows(plan.out)}
    pictures = _pictures(plan)
    with progress("measuring", len(jobs)) as bar:
        for number, (artist, candidate) in enumerate(jobs):
            if (key := (*_of(artist, candidate), pictures[artist.name])) not in done:
                notice(f"{candidate.label} on {artist.name}")
                row = _measured(plan, artist, candidate)
                if row is not None:
                    done[key] = {**row, "pictures": pictures[artist.name]}
                    _append(plan.out, done[key])
            bar.update(number + 1)
    wanted = [(*_of(a, c), pictures[a.name]) for a, c in jobs]
    return [done[key] for key in wanted if key in done]


def read_rows(out: Path) -> list[dict[str, Any]]:
    """All rows that were kept in a folder; a line cut off by a kill is passed over."""
    path = out / ROWS
    rows = []
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            warn(f"{path}: a line of {len(line)} characters is no row; passed over")
    return rows


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["artist"], row["kind"], row["candidate"], row["identity"], row.get("pictures", "")


def _of(artist: Artist, candidate: Candidate) -> tuple[str, ...]:
    return artist.name, candidate.kind, candidate.label, candidate.identity


def _pictures(plan: Plan) -> dict[str, str]:
    """By artist, of the drawings, photos, base and judge that a row is measured with: others give another."""
    drawings = [(each.name, stamp(each.heldout)) for each in plan.artists]
    base = create_model(plan.base, folders=(base_folder(),)).sha256

    def of(artist: Artist) -> str:
        photos = stamp(artist.photos or plan.photos), None if artist.photos else plan.indices
        seen = stamp(artist.train), drawings, photos, base, JUDGED
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:12]

    return {artist.name: of(artist) for artist in plan.artists if artist.name in plan.chosen}


def _measured(plan: Plan, artist: Artist, candidate: Candidate) -> dict[str, Any] | None:
    name = f"{candidate.kind}-{_file_name(candidate.label)}-{_file_name(artist.name)}"
    spec = Spec(
        candidate=candidate,
        artist=artist.name,
        train=str(artist.train),
        heldout={a.name: str(a.heldout) for a in plan.artists},
        photos=str(artist.photos or plan.photos),
        indices=None if artist.photos else plan.indices,
        paired=artist.photos is not None,
        base=plan.base,
        sheet=str(plan.out / "sheets" / f"{name}.png"),
        style=f"measured-{name}",
    )
    path = plan.out / "specs" / f"{name}.json"
    atomic_write_text(path, json.dumps(spec.to_dict()))
    ended = subprocess.run([sys.executable, "-m", "fewshot.benchmark.row", str(path)])
    if ended.returncode:
        if ended.returncode in (-2, 130):
            raise KeyboardInterrupt
        warn(f"{candidate.label} on {artist.name} failed (exit code {ended.returncode}); left out")
        return None
    result = path.with_suffix(".row")
    row: dict[str, Any] = json.loads(result.read_text())
    result.unlink()
    return row


def _append(out: Path, row: dict[str, Any]) -> None:
    path = out / ROWS
    before = path.read_text() if path.is_file() else ""
    atomic_write_text(path, before + json.dumps(row) + "\n")


def _file_name(label: str) -> str:
    """A label as a part of a file's or a style's name, another for each label."""
    plain = "".join(c if c.isalnum() or c in "-_." else "_" for c in label)
    return plain if len(plain) <= 80 else f"{plain[:71]}-{hashlib.sha256(label.encode()).hexdigest()[:8]}"

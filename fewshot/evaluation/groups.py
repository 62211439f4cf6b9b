"""The groups in a folder of drawings, named, and copied into folders of their own to adapt to."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.groups import FALSE_ALARMS, Groups, find_groups
from fewshot.data.set_problems import Problem
from fewshot.data.style_set import StyleSet
from fewshot.errors import UsageError
from fewshot.evaluation.features import features_of
from fewshot.evaluation.folders import Looking
from fewshot.evaluation.rows import resized
from fewshot.evaluation.sources import Gathered
from fewshot.files import new_folder
from fewshot.home import check_name

LIMIT = 2000
"""Drawings that are looked at; of more, evenly spaced ones."""
OUTLIERS = "outliers"
"""Folder of the drawings that belong to no group."""

COLUMNS = ("group", "n", "medoid", "outliers")
JSON_COLUMNS = (
    "group",
    "n",
    "medoid",
    "drawings",
    "outliers",
    "path",
    "silhouette",
    "by_chance",
    "p",
    "extractor",
    "sha256",
    "resize",
)


@dataclass(frozen=True)
class DrawingGroups:
    """Drawings of one folder and the groups they fall into."""

    folder: Path
    """Where they lie."""
    files: tuple[Path, ...]
    """The drawings, equal ones once, in natural order of their names."""
    problems: tuple[Problem, ...]
    """What could not be used, and why."""
    found: Groups
    """Groups of the rows of `files`."""
    names: tuple[str, ...]
    """Of the groups, largest group first."""
    judge: tuple[str, str, str]
    """Extractor, its sha256, and how pictures were resized."""

    def rows(self, out: Path | None = None) -> list[dict[str, Any]]:
        """One mapping per group, with the keys of `JSON_COLUMNS`; `out` is where the copies are."""
        evidence = {"silhouette": self.found.silhouette, "by_chance": self.found.by_chance}
        extractor, sha256, resize = self.judge
        return [
            {
                "group": name,
                "n": len(group.members),
                "medoid": self.files[group.medoid].name,
                "drawings": self._called(group.members),
                "outliers": self._called(group.outliers),
                "path": None if out is None else str(out / name),
                **evidence,
                "p": self.found.p_value,
                "extractor": extractor,
                "sha256": sha256,
                "resize": resize,
            }
            for name, group in zip(self.names, self.found.groups, strict=True)
        ]

    def verdict(self, asked: bool) -> str:
        """One line on how strong the evidence is; `asked`: the number of groups was given."""
        count, found = len(self.found.groups), self.found
        groups = "1 group" if count == 1 else f"{count} groups"
        if np.isnan(found.silhouette):
            why = "too few different drawings to tell groups from chance"
            return f"{groups}, as asked for: {why}" if asked else f"{groups}: {why}"
        stands = "stands out" if found.p_value <= FALSE_ALARMS else "does not stand out"
        chance = f"one in {round(1 / FALSE_ALARMS)} sets without groups reaches {found.by_chance:.2f}"
        return (
            f"{groups}{', as asked for' if asked else ''}: the best division {stands} "
            f"(silhouette {found.silhouette:.2f}; {chance}; p = {found.p_value:.2g})"
        )

    def copy(self, dest: Path) -> None:
        """Copy the drawings into `dest/<group>/`, and those of no group into `dest/outliers/`.

        Files are copied byte for byte under their own names; the folder appears complete or not at all.

        Raises:
            ConflictError: `dest` exists and is not an empty folder, or lies in the drawings' folder.
            BadInputError: the place is read-only or the disk is full.
        """
        parts = {name: group.members for name, group in zip(self.names, self.found.groups, strict=True)}
        if self.found.outliers:
            parts[OUTLIERS] = self.found.outliers
        with new_folder(dest, self.folder) as folder:
            for name, rows in parts.items():
                (folder / name).mkdir()
                for row in rows:
                    shutil.copyfile(self.files[row], folder / name / self.files[row].name)

    def _called(self, rows: Sequence[int]) -> list[str]:
        return [self.files[row].name for row in rows]


def group_drawings(
    folder: Path,
    looking: Looking,
    names: Sequence[str] = (),
    count: int | None = None,
) -> DrawingGroups:
    """Subdivide the drawings of a folder.

    Args:
        folder: drawings, those in sub-folders not among them.
        looking: extractor and size; a size is needed.
        names: of the groups, largest first; `group-1`, … where there are none.
        count: this many groups, whatever the evidence.

    Raises:
        NotFoundError: no such folder or extractor.
        BadInputError: no picture that can be used.
        UsageError: names that are no folders, twice the same, or not as many as there are groups.
        EvalError: more groups than drawings.
    """
    chosen = _checked_names(names)
    judge = looking.judge()
    drawings = StyleSet.from_folder(folder, size=looking.size or 256, limit=LIMIT)
    files = tuple(picture.path for picture in drawings)
    pixels = np.stack([picture.pixels.transpose(2, 0, 1) for picture in drawings])
    gathered = Gathered(drawings.name, tuple(file.name for file in files), np.ascontiguousarray(pixels))
    found = find_groups(features_of(judge, gathered), gathered.names, count=count)
    groups = len(found.groups)
    if chosen and len(chosen) != groups:
        raise UsageError(
            f"{len(chosen)} names for {groups} group{'s' if groups > 1 else ''}",
            f"give {groups}, or ask for as many groups as names: --count {len(chosen)}",
        )
    resize = resized(drawings.size, judge.resize)
    return DrawingGroups(
        folder,
        files,
        tuple(problem for problem in drawings.problems if problem.kind != "few"),
        found,
        chosen or tuple(f"group-{number + 1}" for number in range(groups)),
        (judge.name, judge.sha256, resize),
    )


def _checked_names(names: Sequence[str]) -> tuple[str, ...]:
    checked = tuple(check_name(name, "group's name") for name in names)
    # Some file systems make one folder of `Cool` and `cool`.
    if len({name.casefold() for name in (*checked, OUTLIERS)}) <= len(checked):
        raise UsageError(
            f"the groups' names are {', '.join(checked)}; expected different ones, none of them {OUTLIERS!r}",
            "name each group once: --name early --name late",
        )
    return checked

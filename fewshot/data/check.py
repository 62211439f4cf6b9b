"""The doctor for a folder of drawings: what is wrong with which picture; `fix.py` writes a cleaned copy."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from PIL import Image

from fewshot.data.duplicates import Fingerprint, find_twins, fingerprint
from fewshot.data.hand import describe
from fewshot.data.hands import HANDS_DISTANCE, TwoHands, as_array, centre_distance, odd_ones, two_hands
from fewshot.data.pictures import OpenedPicture, content_hash, list_pictures, open_picture, read_drawing
from fewshot.errors import FewshotError

TINY_SIDE = 128
"""Shortest side in pixels under which a drawing is read but has lost most of its line."""
_FACE_SIDE = 192
"""Side of the cuts about faces in which two hands must differ too, px: `describe` shrinks to this."""

FindingKind = Literal[
    "unreadable", "tiny", "duplicate", "near-duplicate", "odd-one-out", "two-hands", "notice"
]


@dataclass(frozen=True)
class Finding:
    """One thing found about one picture."""

    kind: FindingKind
    """What sort of thing."""
    message: str
    """What was found, in a sentence that names the other picture where there is one."""
    hint: str = ""
    """What to do about it, after what all pictures of this finding have in common."""


@dataclass(frozen=True)
class PictureReport:
    """The verdict on one picture."""

    path: Path
    """The file."""
    hash: str | None
    """Content hash, None when it could not be read."""
    size: tuple[int, int] | None
    """Width and height in pixels, upright; None when it could not be read."""
    changes: tuple[str, ...]
    """What a cleaned copy converts; empty when the file can be copied as it is."""
    findings: tuple[Finding, ...]
    """Everything found, gravest first."""

    @property
    def usable(self) -> bool:
        """Whether training would count it: readable and no exact copy of an earlier one."""
        return not any(finding.kind in ("unreadable", "duplicate") for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The gravest finding's kind, or `ok`."""
        return next((finding.kind for finding in self.findings if finding.kind != "notice"), "ok")


@dataclass(frozen=True)
class CheckReport:
    """The verdict on a folder."""

    folder: Path
    """What was checked."""
    pictures: tuple[PictureReport, ...]
    """One per picture file, in natural order."""
    hands: TwoHands
    """Whether the usable drawings look like one hand; its indices are resolved into the pictures'
    findings."""

    @property
    def usable(self) -> tuple[PictureReport, ...]:
        """The pictures that training would count."""
        return tuple(picture for picture in self.pictures if picture.usable)

    @property
    def clean(self) -> bool:
        """Whether every picture is `ok`."""
        return all(picture.verdict == "ok" for picture in self.pictures)


@dataclass(frozen=True, eq=False)
class _Read:
    path: Path
    print: Fingerprint
    statistics: dict[str, float]
    size: tuple[int, int]
    opened_changes: tuple[str, ...]
    notices: tuple[str, ...]


def check_folder(
    path: str | Path,
    on_picture: Callable[[int], None] | None = None,
    *,
    files: Sequence[Path] | None = None,
) -> CheckReport:
    """Look at every picture directly inside `path`.

    Args:
        path: a folder of drawings meant to be by one hand.
        on_picture: called after each with the number of pictures looked at.
        files: look at these of the folder only.

    Raises:
        NotFoundError: there is no such folder.
        BadInputError: it holds no picture file at all.
    """
    files = list_pictures(path) if files is None else files
    read: list[_Read] = []
    findings: dict[Path, list[Finding]] = {file: [] for file in files}
    for done, file in enumerate(files, 1):
        try:
            read.append(_look(file, read_drawing(file)))
        except FewshotError as error:
            findings[file].append(Finding("unreadable", _without_path(str(error), file), error.hint))
        if on_picture:
            on_picture(done)
    for file, finding in _copies(read):
        findings[file].append(finding)
    copies = {file for file, found in findings.items() if any(f.kind == "duplicate" for f in found)}
    singles = [one for one in read if one.path not in copies]
    hands, style_findings = _style(singles)
    for file, finding in [*_sizes_and_notices(singles), *style_findings]:
        findings[file].append(finding)
    known = {one.path: one for one in read}
    return CheckReport(
        Path(path), tuple(_report(file, known.get(file), findings[file]) for file in files), hands
    )


def _look(path: Path, opened: OpenedPicture) -> _Read:
    image = opened.image
    printed = fingerprint(image, content_hash(image))
    return _Read(path, printed, describe(image), image.size, opened.changes, opened.notices)


def _report(path: Path, read: _Read | None, findings: Sequence[Finding]) -> PictureReport:
    order = ("unreadable", "duplicate", "two-hands", "odd-one-out", "tiny", "near-duplicate", "notice")
    graded = tuple(sorted(findings, key=lambda finding: order.index(finding.kind)))
    if read is None:
        return PictureReport(path, None, None, (), graded)
    return PictureReport(path, read.print.hash, read.size, read.opened_changes, graded)


def _copies(read: Sequence[_Read]) -> Iterator[tuple[Path, Finding]]:
    for twin in find_twins([one.print for one in read]):
        file, other = read[twin.index].path, read[twin.of].path.name
        if twin.kind == "same":
            yield file, Finding("duplicate", f"the same picture as {other}", "delete one of the two")
        else:
            words = "a mirrored copy of" if twin.kind == "mirrored" else "nearly the same picture as"
            yield (
                file,
                Finding(
                    "near-duplicate",
                    f"{words} {other}",
                    "all of them count; take out those that are not wanted",
                ),
            )


def _sizes_and_notices(read: Sequence[_Read]) -> Iterator[tuple[Path, Finding]]:
    for one in read:
        if min(one.size) < TINY_SIDE:
            found = (
                f"small: {one.size[0]}x{one.size[1]} pixels, expected {TINY_SIDE} or more on the shorter side"
            )
            yield (
                one.path,
                Finding("tiny", found, "scan or export it larger; enlarging the file itself adds nothing"),
            )
        for text in one.notices:
            yield one.path, Finding("notice", text)


def _style(read: Sequence[_Read]) -> tuple[TwoHands, list[tuple[Path, Finding]]]:
    values = as_array([one.statistics for one in read])
    hands = two_hands(values)
    if hands.flagged and not _differ_in_faces(read, hands):
        hands = replace(hands, flagged=False)
    found: list[tuple[Path, Finding]] = []
    if hands.flagged:
        evidence = f"{len(hands.second)} of {len(read)} drawings show {hands.reason}."
        hint = f"{evidence} If these are two artists or two techniques, adapt each in a folder of its own."
        finding = Finding("two-hands", "looks like a second hand", hint)
        found += [(read[i].path, finding) for i in hands.second]
    # Among two hands nobody is odd: every distance would be measured to the wrong half.
    else:
        for odd in odd_ones(values):
            text = f"unlike the others ({odd.ratio:.1f} times as far from them as usual): {odd.reason}"
            found.append(
                (read[odd.index].path, Finding("odd-one-out", text, "take it out if it is another style"))
            )
    return hands, found


def _differ_in_faces(read: Sequence[_Read], hands: TwoHands) -> bool:
    """Whether a split of whole drawings is one of their faces too, and not of hatched and empty grounds."""
    # It loads torch and the face parser, and hardly any folder comes to this.
    from fewshot.data.drawing_framing import frame_drawings
    from fewshot.data.drawing_page import drawing_square

    squares = [drawing_square(open_picture(one.path), _FACE_SIDE) for one in read]
    faces = [describe(Image.fromarray(face)) for face in frame_drawings(squares, _FACE_SIDE)]
    return centre_distance(as_array(faces), hands.second) >= HANDS_DISTANCE


def _without_path(message: str, path: Path) -> str:
    return message.removeprefix(f"{path}: ")

"""Measured rows as Markdown: a summary of the candidates and every row, or the first recipe's alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.errors import BadInputError
from fewshot.files import atomic_write_text

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
SHORT_BEGIN, SHORT_END = "<!-- artists: begin -->", "<!-- artists: end -->"

Row = dict[str, Any]
Writer = tuple[str, str, Callable[[Sequence[Row]], str]]
"""Two markers, and what writes between them."""


def markdown(rows: Sequence[Row]) -> str:
    """Both tables, and the words without which a number means nothing."""
    if not rows:
        return "Nothing is measured yet.\n"
    labels = list(dict.fromkeys(row["candidate"] for row in rows))
    by_label = {label: [row for row in rows if row["candidate"] == label] for label in labels}
    summary = [_summary(label, own) for label, own in by_label.items()]
    single = [_line(row) for label in labels for row in by_label[label]]
    parts = [
        _words(rows),
        _table(_SUMMARY, summary),
        _table(_COLUMNS, single),
        *_truths([row for row in rows if "truth" in row]),
    ]
    return "\n\n".join(parts) + "\n"


def write_into(path: Path, rows: Sequence[Row]) -> None:
    """Replace what stands between the markers of a file: all tables, the first recipe's short one, or both.

    Raises:
        BadInputError: no pair of markers in it.
    """
    text, writers = check_markers(path)
    for begin, end, writer in writers:
        before, rest = text.split(begin, 1)
        text = f"{before}{begin}\n{writer(rows)}{end}{rest.split(end, 1)[1]}"
    atomic_write_text(path, text)


def check_markers(path: Path) -> tuple[str, list[Writer]]:
    """A page's text, and what goes where in it; raises as `write_into`."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    writers: tuple[Writer, ...] = ((BEGIN, END, markdown), (SHORT_BEGIN, SHORT_END, short))
    found = [each for each in writers if 0 <= text.find(each[0]) < text.find(each[1])]
    if not found:
        raise BadInputError(
            f"{path}: expected {BEGIN} and {END}, or {SHORT_BEGIN} and {SHORT_END}, found neither pair",
            "put the two lines where the table goes",
        )
    return text, found


def short(rows: Sequence[Row]) -> str:
    """One line for each artist, of the first recipe alone."""
    labels = [row["candidate"] for row in rows if row["kind"] == "recipe"]
    if not labels:
        return "No recipe is measured yet.\n"
    own = sorted((r for r in rows if r["candidate"] == labels[0]), key=lambda row: row["artist"])
    columns = (
        *("artist", "n", f"style 1st of {_artists(own)}, base → style"),
        *("KID ratio (`random`)", "`colour-edge`", "whole: KID ratio", "content"),
    )
    return _table(columns, [_short_line(row) for row in own]) + "\n"


def _short_line(row: Row) -> list[str]:
    n = row["n"]
    return [
        row["artist"],
        f"{n['results']} / {n['drawings']}",
        f"{_first(row.get('style_top1_base'))} → **{_interval(row.get('style_top1'))}**",
        _interval(row.get("kid_ratio")),
        _first(row.get("kid_colour_edge_ratio")),
        _first(row["whole"]["kid_ratio"]),
        _first(row.get("content")),
    ]


_SUMMARY = (
    *("candidate", "artists", "style 1st, mean", "worst", "content 1st, mean", "worst"),
    *("KID ratio, median", "worst upper end", "whole: KID ratio", "worst upper end"),
    *("one framing: style 1st", "worst"),
    *("copies", "min", "GB", "MB"),
)
_COLUMNS = (
    *("candidate", "artist", "n", "style 1st", "base's", "content 1st", "KID", "ratio to base's"),
    *("by colour-edge", "whole: KID ratio", "one framing: style 1st", "copies", "min", "GB", "MB"),
)


def _words(rows: Sequence[Row]) -> str:
    among = _artists(rows)
    bases = ", ".join(dict.fromkeys(f"`{r['base']['name']}` ({r['base']['sha256'][:12]})" for r in rows))
    return (
        f"Base {bases}. *Style 1st*: share of the redrawn held-out photos whose nearest artist among {among} "
        "is the right one (held-out drawings of all, each in five framings: cut about its face as `adapt` "
        "cuts it and as selfies are, nearer in three steps, and whole; the style encoder's fold that never "
        "saw the artist). *One framing*: the same among drawings cut alone. "
        "*Content 1st*: share that is nearest to its own photo among all, by edges (`structure-v1`). *KID*: "
        "to the artist's held-out drawings cut so, extractor `random`; its ratio to the base's, paired; "
        "*whole*: to the drawings as they are, busts and their grounds. *n*: "
        "results / held-out drawings. *min*: learning; *GB*: peak memory of the whole row; *MB*: adapter "
        "folder. In brackets 95 % intervals."
    )


def _artists(rows: Sequence[Row]) -> str:
    """How many the style rank knows, in words."""
    counts = {round(1 / row["chance"]) for row in rows if row.get("chance")}
    return " or ".join(map(str, sorted(counts)))


def _summary(label: str, rows: Sequence[Row]) -> list[str]:
    style, content = ([row[key][0] for row in rows if row.get(key)] for key in ("style_top1", "content"))
    one = [row["one_framing"]["style_top1"][0] for row in rows if row.get("one_framing")]
    return [
        label,
        str(len(rows)),
        *_mean_and_least(style),
        *_mean_and_least(content),
        *_ratios(rows),
        *_ratios([row["whole"] for row in rows]),
        *_mean_and_least(one),
        str(sum(len(row["copies"]) for row in rows)),
        *(_number(np.mean([row[k] for row in rows])) if k in rows[0] else "" for k in _COSTS),
    ]


def _mean_and_least(values: Sequence[float]) -> tuple[str, str]:
    return (_number(np.mean(values)), _number(min(values))) if values else ("", "")


def _ratios(rows: Sequence[Row]) -> list[str]:
    """Median of the KID ratios and the largest upper end; empty where no row has one."""
    ratios = [row["kid_ratio"] for row in rows if row.get("kid_ratio")]
    if not ratios:
        return ["", ""]
    # None stands for no bound: the base's KID may have been zero.
    values, highs = ([math.inf if ratio[i] is None else ratio[i] for ratio in ratios] for i in (0, 2))
    return ["∞" if math.isinf(end) else _number(end) for end in (float(np.median(values)), max(highs))]


_COSTS = ("minutes", "peak_gb", "adapter_mb")


def _line(row: Row) -> list[str]:
    n = row["n"]
    return [
        row["candidate"],
        row["artist"],
        f"{n['results']} / {n['drawings']}",
        _interval(row.get("style_top1")),
        _first(row.get("style_top1_base")),
        _interval(row.get("content")),
        _interval(row.get("kid")),
        _interval(row.get("kid_ratio")),
        _interval(row.get("kid_colour_edge_ratio")),
        _interval(row["whole"]["kid_ratio"]),
        _interval(row.get("one_framing", {}).get("style_top1")),
        str(len(row["copies"])),
        *(_number(row.get(key)) for key in _COSTS),
    ]


def _truths(rows: Sequence[Row]) -> Iterable[str]:
    """Where the true drawings are known."""
    if not rows:
        return
    lines = []
    for row in rows:
        n = str(row["truth"]["n"])
        for name in ("perceptual", "ssim", "edges"):
            found = row["truth"][name]
            lines.append([row["candidate"], row["artist"], n, name, *map(_interval, found.values())])
    yield (
        "To the true drawing of each photo: `perceptual` is a distance, lower "
        "is nearer (LPIPS with equal weights on the shipped perceptual network, which the losses use too); "
        "`ssim` of grey pictures and the cosine of `edges` are higher where nearer."
    )
    yield _table(("candidate", "artist", "n", "measure", "base", "candidate's", "gain"), lines)


def _table(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join([*head, *(f"| {' | '.join(line)} |" for line in lines)])


def _number(value: Any) -> str:
    return "" if value is None else f"{float(value):.2f}"


def _first(triple: Sequence[float | None] | None) -> str:
    """A number without its interval."""
    return "" if triple is None else _number(triple[0])


def _interval(triple: Sequence[float | None] | None) -> str:
    if triple is None:
        return ""
    value, low, high = triple
    ends = ", ".join("∞" if end is None else _number(end) for end in (low, high))
    return f"{_number(value)} [{ends}]"

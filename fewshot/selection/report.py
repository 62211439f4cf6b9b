"""The study as one HTML page: the recommended recipe first, then every trial with pictures and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eval.intervals import Estimate
from eval.report import Report, Section, number_text, render
from eval.report_pictures import Picture
from eval.report_plots import Bar, Forest
from eval.report_trials import (
    Mark,
    PictureRow,
    PictureRows,
    Point,
    Table,
    TableRow,
    TradeOff,
)
from fewshot import __version__
from fewshot.files import atomic_write_text
from fewshot.output import format_seconds
from fewshot.selection.choice import Choice
from fewshot.selection.compare import Comparison
from fewshot.selection.evidence import SHOWN, Evidence
from fewshot.selection.record import study_record
from fewshot.selection.study import Study
from fewshot.selection.tried import Tried
from fewshot.training.validation import STEERING


def write_report(folder: Path, study: Study, choice: Choice, comparison: Comparison) -> Path:
    """Write `report.html` to the study's folder; returns the file."""
    path = folder / "report.html"
    atomic_write_text(path, render(make_report(study, choice, comparison)))
    return path


def make_report(study: Study, choice: Choice, comparison: Comparison) -> Report:
    """What the page says; trials from the recommended one down, those that came further first."""
    tried = study.tried()
    scored = in_order(tried, choice)
    bench = comparison.bench
    parts = "no folds" if bench.folds[0][1] is None else f"{len(bench.folds)} folds"
    sections: list[Section | None] = [
        _pictures(scored, choice, comparison),
        _table(scored, choice, study),
        _trade_off(scored, choice, study),
        _distances(scored),
    ]
    spent = format_seconds(sum(one.spent for one in tried))
    return Report(
        title=f"Recipes for {bench.drawings.name}",
        subtitle=f"{len(tried)} trials on {len(bench.drawings)} drawings, {parts}, in {spent}",
        verdict=(f"Recommended is {choice.reason}.", _course(tried)),
        cautions=_cautions(study, scored, bench.folds[0][1] is None),
        sections=tuple(section for section in sections if section is not None),
        facts=(
            ("study", f"{study.name}, kept in {study.store.where}"),
            ("drawings", f"{bench.drawings.name}: {len(bench.drawings)}"),
            ("base", bench.base),
            (
                "photos",
                bench.photos.name if bench.photos else "rendered snapshots, and pseudo-photos by the base",
            ),
            ("distance by", f"{' and '.join(STEERING)}, which are in no loss"),
            ("style by", "the shipped style encoder, among the shipped hands"),
            ("made with", f"fewshot-style {__version__}"),
        ),
        record=study_record(study, choice),
    )


def in_order(tried: Sequence[Tried], choice: Choice) -> list[Tried]:
    """Scored trials, the recommended one first, then those that came further, then by their score."""
    scored = [one for one in tried if one.values]
    return sorted(scored, key=lambda t: (t.number != choice.number, -t.rung, t.values[-1], t.number))


def tag(one: Tried) -> str:
    """The trial's number for people, from 1."""
    return str(one.number + 1)


def _name(one: Tried) -> str:
    return f"{tag(one)}. {one.label}"


def _fate(one: Tried, choice: Choice) -> str:
    steps = max(score.step for score in one.scores)
    words = {"complete": f"all {steps} steps", "pruned": f"pruned at step {steps}"}
    fate = words.get(one.state, f"stopped after step {steps}")
    return f"recommended, {fate}" if one.number == choice.number else fate


def _course(tried: Sequence[Tried]) -> str:
    counts = {state: sum(one.state == state for one in tried) for state in ("complete", "pruned", "failed")}
    words = [f"{counts['complete']} of {len(tried)} trials were trained to the end"]
    words += [f"{counts['pruned']} pruned on the way"] if counts["pruned"] else []
    words += [f"{counts['failed']} could not be trained"] if counts["failed"] else []
    undecided = len(tried) - sum(counts.values())
    words += [f"{undecided} not decided when the time was up"] if undecided else []
    return ", ".join(words) + "."


def _pictures(scored: Sequence[Tried], choice: Choice, comparison: Comparison) -> PictureRows | None:
    shown = [(one, found) for one in scored if (found := comparison.evidence(one)) is not None]
    if not shown:
        return None
    first = shown[0][1]
    rows = [
        PictureRow("photos", "", _row(first, "photos", "photo")),
        PictureRow("base", "without any adapter", _row(first, "base", "the base's drawing")),
    ]
    rows += [
        PictureRow(
            _name(one),
            _fate(one, choice),
            _row(found, "pictures", f"{one.label}'s drawing"),
            one.number == choice.number,
        )
        for one, found in shown
    ]
    return PictureRows(
        "What they draw",
        "The first photos kept for scoring in each fold, in their order, never chosen.",
        tuple(rows),
    )


def _row(found: Sequence[Evidence], side: str, what: str) -> tuple[Picture, ...]:
    """An equal share of pictures from each fold."""
    each = max(1, SHOWN // len(found))
    pixels = [picture for evidence in found for picture in getattr(evidence, side)[:each]]
    return tuple(Picture(one, f"{what} {i}") for i, one in enumerate(pixels[:SHOWN], start=1))


def _table(scored: Sequence[Tried], choice: Choice, study: Study) -> Table:
    rows = []
    for one in scored:
        found = one.summary
        assert found is not None
        cells: tuple[Estimate | str, ...] = (
            found.left,
            found.kid,
            number_text(found.fid),
            found.style,
            found.content,
            format_seconds(found.seconds),
        )
        rows.append(TableRow(_name(one), _fate(one, choice), cells, one.number == choice.number))
    share = study.limits.content_share
    return Table(
        "All trials",
        "Means over the folds with 95 % intervals. Distance left is KID as a share of the base's, by two "
        "extractors; style is the share of results whose nearest hand is the artist's; content is the share "
        f"whose own photo is found again, of which a recipe has to keep {share:.0%} of what the base keeps. "
        "FID is biased upwards on so few pictures and compares only within this table. Pruned trials were "
        "scored early: their numbers do not compare with those of trials that trained on.",
        ("trial", "distance left", f"KID ({STEERING[0]})", "FID", "style", "content", "training per fold"),
        tuple(rows),
    )


def _trade_off(scored: Sequence[Tried], choice: Choice, study: Study) -> TradeOff:
    points = []
    for one in scored:
        found, candidate = one.summary, one.candidate(study.limits.content_share)
        assert found is not None
        assert candidate is not None
        mark: Mark = "other" if candidate.keeps_content else "refused"
        if one.number in choice.pareto:
            mark = "front"
        if one.number == choice.number:
            mark = "chosen"
        points.append(Point(tag(one), f"{one.label}, {_fate(one, choice)}", found.left, found.style, mark))
    return TradeOff(
        "Distance against style",
        "Left and up is better. Filled points are beaten by no other one in both, among those that keep the "
        "photos' content; the largest is the recommended one. Dashed ones lose too much of the photos. "
        "Differences between recipes are surer than these intervals look, since all drew the same photos.",
        "share of the base's distance to the drawings that is left",
        "share of results whose nearest hand is the artist's",
        tuple(points),
    )


def _distances(scored: Sequence[Tried]) -> Forest:
    bars = []
    for one in scored:
        found = one.summary
        assert found is not None
        bars.append(Bar(_name(one), found.kid, "result" if one is scored[0] else "other"))
    base = scored[0].summary
    return Forest(
        "How far from the drawings",
        "KID to the drawings that were not trained on, mean over the folds; the line is the base's.",
        f"KID by {STEERING[0]}, n = results / drawings",
        tuple(bars),
        mark=base.kid_base if base else None,
    )


def _cautions(study: Study, scored: Sequence[Tried], unfolded: bool) -> tuple[str, ...]:
    notes = []
    if unfolded:
        notes.append("fewer than five drawings: scored against the same drawings, mirrored, not unseen ones")
    else:
        notes.append(
            "each fold also chose the step that is kept, so these numbers flatter all recipes a little; "
            "measure the final style with `fewshot eval report` on other drawings"
        )
    kids = [found.kid for one in scored if (found := one.summary)]
    notes += dict.fromkeys(f"KID: {note}" for kid in kids for note in kid.notes)
    notes += [f"{one.label} is left out: {one.problem}" for one in study.tried() if one.problem]
    return tuple(notes)

"""`fewshot select`: try recipes on folds of an artist's drawings and learn the style with the best one."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fewshot.cli.memory_option import MemoryLimit, limit_of
from fewshot.cli.rights_options import ConsentBy, ConsentExpires, ConsentStatus, Licence, consent_of
from fewshot.cli.track_option import Track
from fewshot.output import Format, emit, notice

if TYPE_CHECKING:
    from fewshot.selection.select import Selection

COLUMNS = ["recipe", "state", "steps", "left", "KID", "FID", "style", "content", "seconds"]
"""Of the table, which fits 80 columns; the report has the intervals."""
_DIGITS = {"left": 2, "KID": 3, "FID": 0, "style": 2, "content": 2, "seconds": 0}
"""After the point, in the table."""


def select(
    drawings: Annotated[Path, typer.Argument(help="Folder of 1 to 60 drawings by one hand.", metavar="DIR")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Recipe values for all trials, such as steps=150.", metavar="[KEY=VALUE]..."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What the winner's style is called.")] = "",
    recipes: Annotated[
        str, typer.Option(help="Recipes to try, with commas; default: those for artists.", metavar="A,B,C")
    ] = "",
    knob: Annotated[
        list[str] | None,
        typer.Option(
            help="What to vary: lr=3e-4..3e-3, rank=4,8,16, content_from=photo,base.", metavar="K=V"
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            help="Time for all trials, that of all processes together; default: until all are decided.",
        ),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in all; default: every recipe, 9 more with --knob.")
    ] = None,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the drawings to score on in turn.")] = 3,
    rungs: Annotated[
        int,
        typer.Option(min=1, max=6, help="How often trials are compared; a third goes on each time."),
    ] = 3,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Train every recipe on every fold to the end.")
    ] = False,
    content: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of what the base keeps of the photos that a recipe must keep."
        ),
    ] = 0.8,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Photos to learn on, a folder or .tar, some kept for scoring; rendered ones join few."
        ),
    ] = None,
    base: Annotated[str, typer.Option(help="Base model; `fewshot base ls` lists them.")] = "scan_128.anime",
    study: Annotated[str, typer.Option(help="Name of the study; default: the style's or folder's.")] = "",
    db: Annotated[
        str | None,
        typer.Option(help="Keep it in PostgreSQL, for several machines.", metavar="postgresql://..."),
    ] = None,
    no_retrain: Annotated[
        bool, typer.Option("--no-retrain", help="Compare only; train no style at the end.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a finished style of this name.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tried and about how long it takes.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of folds and sampled knobs.")] = 0,
    processes: Annotated[
        int, typer.Option(min=1, help="Trainings at a time on this machine, which share the study.")
    ] = 1,
    memory_limit: MemoryLimit = None,
    track: Track = None,
    licence: Licence = "unknown",
    consent: ConsentStatus = "unknown",
    consent_by: ConsentBy = "",
    consent_expires: ConsentExpires = "",
    format: Annotated[Format, typer.Option(help="How the result is printed.")] = "table",
) -> None:
    """Find the recipe that suits these drawings, and learn the style with it.

    Recipes are trained on folds of the drawings; at each rung the poor ones are pruned. Ctrl-C and kills lose
    little: the same command goes on. The same command in a second terminal helps.
    """
    from base_models.registry import check_model
    from fewshot.data.pictures import list_pictures
    from fewshot.home import base_folder
    from fewshot.selection.request import Request
    from fewshot.training.launch import is_worker, launch, on_cpu, work_alone
    from fewshot.training.tracking import check_trackers

    # Before what trains is loaded: a mistake is told at once.
    list_pictures(drawings)
    check_model(base, [base_folder()])
    request = Request(
        drawings,
        name=name,
        study=study,
        base=base,
        recipes=tuple(part.strip() for part in recipes.split(",") if part.strip()),
        knobs=tuple(knob or ()),
        overrides=tuple(overrides or ()),
        photos=photos,
        folds=folds,
        rungs=rungs,
        trials=trials,
        minutes=minutes,
        exhaustive=exhaustive,
        content=content,
        db=db,
        retrain=not no_retrain,
        overwrite=overwrite,
        seed=seed,
        licence=licence,
        consent=consent_of(consent, consent_by, consent_expires),
        track=check_trackers(track or ()),
        memory_limit=limit_of(memory_limit),
    )
    if dry_run:
        from fewshot.selection.plan import plan_study
        from fewshot.selection.preparing import prepare

        emit(plan_study(prepare(request)), ["what", "value"], "json" if format == "json" else "table")
        return
    if processes > 1 and not is_worker():
        code = launch(sys.argv[1:], processes, cpu=on_cpu(processes), together=False)
        raise typer.Exit(code)
    # The study shares the trainings out, not the pictures of each.
    helping = work_alone() > 0
    from fewshot.selection.select import select_recipe

    found = select_recipe(replace(request, retrain=False) if helping else request)
    if helping:
        return
    notice(f"report: {found.report}")
    if format == "path":
        emit([{"path": str(found.adapter or found.report)}], ["path"], "path")
        return
    more = ["interval", "recommended", "pareto", "path"] if format == "json" else []
    rows = rows_of(found, format)
    if format == "table":
        rows = [_shortened(row) for row in rows]
    emit(rows, [*COLUMNS, *more], format, whole=COLUMNS[1:])
    if format == "table" and found.adapter is not None:
        notice(f"now: fewshot stylize me.jpg --style {name} -o me.png")


def rows_of(found: "Selection", format: Format) -> list[dict[str, Any]]:
    """One row per trial, the recommended one first, then by how far they came and their score."""
    rows = []
    order = sorted(
        found.tried,
        key=lambda one: (one.number != found.choice.number, -one.rung, one.values[-1:], one.number),
    )
    for one in order:
        summary = one.summary
        row: dict[str, Any] = {
            "recipe": one.label,
            "state": one.state,
            "recommended": one.number == found.choice.number,
            "pareto": one.number in found.choice.pareto,
            "path": str(found.folder / "trials" / f"{one.number:04d}"),
        }
        if summary is not None:
            kid = summary.kid
            row |= {
                "steps": max(score.step for score in one.scores),
                "left": summary.left.value,
                "KID": kid.value,
                "interval": [kid.low, kid.high],
                "FID": summary.fid,
                "style": summary.style.value,
                "content": summary.content.value,
                "seconds": summary.seconds,
            }
        if row["recommended"] and format == "table":
            row["state"] = "chosen"
        rows.append(row)
    return rows


def _shortened(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table: as many digits as mean something, so that names of recipes have room."""
    return row | {key: round(row[key], digits) for key, digits in _DIGITS.items() if key in row}

"""`fewshot adapt`: learn one artist's style from a folder of drawings."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from fewshot.cli.catalog_options import add_to_catalog, check_catalog
from fewshot.cli.memory_option import MemoryLimit, limit_of
from fewshot.cli.rights_options import ConsentBy, ConsentExpires, ConsentStatus, Licence, consent_of
from fewshot.cli.track_option import Track
from fewshot.errors import Interrupted
from fewshot.output import Format, emit, format_seconds, notice, warn


def adapt(
    drawings: Annotated[Path, typer.Argument(help="Folder of 1 to 60 drawings by one hand.", metavar="DIR")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Recipe values for this run, such as steps=150.", metavar="[KEY=VALUE]..."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What the style is called.")] = "",
    recipe: Annotated[
        str, typer.Option(help="Recipe name or file; `fewshot recipes ls` lists them.")
    ] = "quick",
    base: Annotated[str, typer.Option(help="Base model; `fewshot base ls` lists them.")] = "scan_128.anime",
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Photos to learn on, a folder or .tar; rendered ones join few, or take their place."
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Stop training after this long; default: the recipe's.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen and how long it takes.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run of this name.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a finished style of this name.")
    ] = False,
    processes: Annotated[
        int, typer.Option(min=1, help="Train with this many processes on this machine.")
    ] = 1,
    memory_limit: MemoryLimit = None,
    track: Track = None,
    licence: Licence = "unknown",
    consent: ConsentStatus = "unknown",
    consent_by: ConsentBy = "",
    consent_expires: ConsentExpires = "",
    catalog: Annotated[
        bool, typer.Option("--catalog", help="Add the style to the catalogue when it is done.")
    ] = False,
    format: Annotated[Format, typer.Option(help="How the result is printed.")] = "table",
) -> None:
    """Learn one artist's style from a folder of drawings.

    Writes an adapter that `fewshot stylize --style NAME` uses, and previews beside it. Ctrl-C saves; the same
    command with --resume goes on.
    """
    from fewshot.errors import UsageError
    from fewshot.home import check_name, recipes_folder
    from fewshot.training.runs import check_request
    from recipes import apply_overrides, load_recipe

    if not name:
        raise UsageError("the style has no name", "add --name, such as --name mine")
    chosen = apply_overrides(load_recipe(recipe, recipes_folder()), overrides or [])
    most = limit_of(memory_limit)
    name, rights = check_name(name), consent_of(consent, consent_by, consent_expires)
    # A dry run replaces nothing.
    check_request(
        drawings,
        name,
        base=base,
        photos=photos,
        resume=resume,
        overwrite=overwrite or dry_run,
        track=track or (),
    )
    if dry_run:
        from fewshot.training.plan import plan_adaptation

        rows = plan_adaptation(
            drawings,
            name=name,
            base=base,
            recipe=chosen,
            photos=photos,
            minutes=minutes,
            memory_limit=most,
        )
        emit(rows, ["what", "value"], "json" if format == "json" else "table")
        return
    from fewshot.training.launch import check_share, is_worker, launch, on_cpu

    if processes > 1 and not is_worker():
        check_share(chosen.batch, processes)
        raise typer.Exit(launch(sys.argv[1:], processes, cpu=on_cpu(processes)))
    cataloguing = catalog and os.environ.get("RANK", "0") == "0"
    if cataloguing:
        check_catalog()
    from fewshot.training.adapt import adapt_style

    with _told_how_to_go_on():
        outcome = adapt_style(
            drawings,
            name=name,
            base=base,
            recipe=chosen,
            photos=photos,
            resume=resume,
            overwrite=overwrite,
            max_minutes=minutes,
            licence=licence,
            consent=rights,
            track=track or (),
            memory_limit=most,
        )
    notice(f"{outcome.steps} steps in {format_seconds(outcome.seconds)}")
    notice(f"the style: {outcome.adapter / 'preview.png'}")
    notice(f"previews of its training: {outcome.run / 'samples'}")
    if outcome.best_step == 0:
        warn(f"no look came nearer to the drawings than the base: {name} draws as the base does")
        notice("hint: give it more --minutes or steps=N, or see what is odd with `fewshot check`")
    before, after = outcome.metrics.get("kid_base"), outcome.metrics.get("kid")
    rows = [
        {
            "style": name,
            "path": str(outcome.adapter),
            "step": outcome.best_step,
            "KID base": before and before["value"],
            "KID": after and after["value"],
            "extractor": after and after["extractor"],
            "n": after and f"{after['n'][1]} results, {after['n'][0]} drawings",
        }
    ]
    columns = ["style", "path", "step", "KID base", "KID", "extractor", "n"]
    # One drawing has no distance.
    shown = [c for c in columns if c != "path" and rows[0][c] is not None]
    emit(rows, columns if format == "json" else shown, format)
    if cataloguing:
        add_to_catalog(outcome.adapter, licence, rights)
    if format == "table":
        notice(f"now: fewshot stylize me.jpg --style {name} -o me.png")


@contextlib.contextmanager
def _told_how_to_go_on() -> Iterator[None]:
    """Put the whole command that goes on into the hint of an interruption."""
    try:
        yield
    except Interrupted as stopped:
        words = [word for word in sys.argv[1:] if word not in ("--resume", "--overwrite")]
        command = shlex.join(["fewshot", *words, "--resume"])
        raise Interrupted(str(stopped), f"to go on: {command}") from None

"""The `fewshot` command: one file per verb group, none of which imports anything heavy at module level.

To add a verb, write its function in `fewshot/cli/<verb>.py` (a `typer.Typer` named `app` for a group of
verbs) and register it below in the panel where an artist would look for it.
"""

import contextlib
import io
import sys
from typing import Annotated

import typer

from fewshot import __version__
from fewshot.cli import base, catalog, env, evaluate, recipes
from fewshot.cli.adapt import adapt
from fewshot.cli.adapt_many import adapt_many
from fewshot.cli.check import check
from fewshot.cli.demo import demo
from fewshot.cli.export import export
from fewshot.cli.failures import VerbGroup
from fewshot.cli.print import print_
from fewshot.cli.select import select
from fewshot.cli.styles import styles
from fewshot.cli.stylize import stylize
from fewshot.cli.web import web
from fewshot.training.launch import is_worker, leave

STYLES = "Learn a style and draw with it"
TOOLS = "Recipes and this machine"

app = typer.Typer(
    # Paragraphs flow to the terminal's width, and [brackets] are no markup.
    rich_markup_mode="markdown",
    cls=VerbGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"fewshot {__version__}\n")
        raise typer.Exit


@app.callback()
def fewshot(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Redraw photos in one artist's style, learned from a few drawings."""


app.command("demo", rich_help_panel=STYLES)(demo)
app.command("adapt", rich_help_panel=STYLES)(adapt)
app.command("adapt-many", rich_help_panel=STYLES)(adapt_many)
app.command("select", rich_help_panel=STYLES)(select)
app.command("styles", rich_help_panel=STYLES)(styles)
app.command("stylize", rich_help_panel=STYLES)(stylize)
app.command("export", rich_help_panel=STYLES)(export)
app.command("print", rich_help_panel=STYLES)(print_)
app.command("web", rich_help_panel=STYLES)(web)
app.command("check", rich_help_panel=STYLES)(check)
app.add_typer(evaluate.app, name="eval", rich_help_panel=STYLES)
app.add_typer(catalog.app, name="catalog", rich_help_panel=STYLES)
app.add_typer(recipes.app, name="recipes", rich_help_panel=TOOLS)
app.add_typer(base.app, name="base", rich_help_panel=TOOLS)
app.command("env", rich_help_panel=TOOLS)(env.env)


def run() -> None:
    """Entry point of the console script; leaves through `SystemExit` with the exit code of the verb."""
    with contextlib.suppress(AttributeError, io.UnsupportedOperation):
        # A file name that is no valid UTF-8 must come out as the bytes it is, for the next command in a pipe.
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    try:
        app(prog_name="fewshot")
    except SystemExit as end:
        if is_worker():
            leave(end.code if isinstance(end.code, int) else int(end.code is not None))
        raise


if __name__ == "__main__":
    run()

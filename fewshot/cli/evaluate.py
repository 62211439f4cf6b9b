"""`fewshot eval`: one verb per question, each in a file of its own."""

import typer

from fewshot.cli.eval_adapter import adapter
from fewshot.cli.eval_compare import compare
from fewshot.cli.eval_content import content
from fewshot.cli.eval_distances import fid, kid, pr
from fewshot.cli.eval_groups import groups
from fewshot.cli.eval_report import report
from fewshot.cli.eval_style import style

app = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="Measure styles and folders of pictures, with intervals.",
)

app.command("adapter")(adapter)
app.command("compare")(compare)
app.command("kid")(kid)
app.command("fid")(fid)
app.command("pr")(pr)
app.command("style")(style)
app.command("content")(content)
app.command("groups")(groups)
app.command("report")(report)

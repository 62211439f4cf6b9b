"""`fewshot base`: list, train, measure and compare base models."""

from typing import Annotated, Any

import typer

from fewshot.cli.base_ablate import ablate, facades
from fewshot.cli.base_eval import evaluate
from fewshot.cli.base_pack import pack
from fewshot.cli.base_train import train
from fewshot.cli.export import export_base
from fewshot.output import Format, emit

app = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="List base models, train, measure and compare them.",
)


@app.command("ls")
def ls(
    format: Annotated[
        Format, typer.Option(help="How to print: table, json, or path (trained files only).")
    ] = "table",
) -> None:
    """List the base models: architectures with random weights, and what was trained."""
    from base_models import list_models
    from fewshot.home import base_folder

    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "px": model.size,
            "parameters": model.parameters,
            "minutes": model.facts.get("minutes"),
            "licence": model.licence if model.path else "none: random weights",
            "sha256": model.sha256[:12],
            "path": str(model.path) if model.path else None,
        }
        for model in list_models([base_folder()])
        if format != "path" or model.path
    ]
    columns = ["name", "px", "parameters", "minutes", "sha256", "licence"]
    emit(rows, {"table": columns, "json": [*columns, "path"], "path": ["path"]}[format], format)


app.command("pack")(pack)
app.command("train")(train)
app.command("eval")(evaluate)
app.command("export")(export_base)
app.command("ablate")(ablate)
app.command("facades")(facades)

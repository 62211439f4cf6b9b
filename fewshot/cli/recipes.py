"""`fewshot recipes`: list, show, copy and check recipes."""

import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from fewshot.cli.recipes_measure import measure
from fewshot.output import Format, emit, notice, warn

app = typer.Typer(
    rich_markup_mode="markdown", no_args_is_help=True, help="List, show, copy and check recipes."
)

Name = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A name from `recipes ls`, or a .toml file.")]


@app.command("ls")
def ls(format: Annotated[Format, typer.Option(help="How to print: table, json or path.")] = "table") -> None:
    """List the recipes that ship and your own."""
    from fewshot.home import recipes_folder
    from recipes.errors import RecipeError
    from recipes.registry import list_recipes

    rows: list[dict[str, Any]] = []
    for file in list_recipes(recipes_folder()):
        try:
            summary = file.load().summary
        except RecipeError:
            summary = f"has mistakes: fewshot recipes validate {file.name}"
        rows.append({"name": file.name, "origin": file.origin, "summary": summary, "path": str(file.path)})
    emit(
        rows,
        ["name", "origin", "summary"] if format == "table" else ["name", "origin", "summary", "path"],
        format,
    )


@app.command("cat")
def cat(name: Name) -> None:
    """Print a recipe with every field, its value and what it means."""
    from fewshot.home import recipes_folder
    from recipes.registry import load_recipe
    from recipes.toml import dumps

    sys.stdout.write(dumps(load_recipe(name, recipes_folder())))


@app.command("cp")
def cp(
    name: Name,
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The copy: a new name, or a path ending in .toml.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite a recipe of yours of that name.")] = False,
) -> None:
    """Copy a recipe to your own folder (or a path) to change it there."""
    from fewshot.errors import ConflictError
    from fewshot.files import atomic_write_text
    from fewshot.home import check_name, recipes_folder
    from recipes.registry import find_recipe, list_recipes, read_recipe

    source = find_recipe(name, recipes_folder())
    read_recipe(source.path)
    if new.endswith(".toml"):
        target = Path(new).expanduser()
    else:
        target = recipes_folder() / f"{check_name(new, 'recipe name')}.toml"
        if new in {file.name for file in list_recipes()}:
            raise ConflictError(
                f"{new!r} is a built-in recipe", f"choose another name: fewshot recipes cp {name} my-{new}"
            )
    if target.exists() and not force:
        raise ConflictError(f"{target} exists already", "choose another name, or overwrite it with --force")
    text = re.sub(
        r"(?m)^[ \t]*[\"']?name[\"']?[ \t]*=.*(?:\n|\Z)", "", source.path.read_text(encoding="utf-8")
    )
    # The commands in its header are to run the copy.
    command = rf"(?m)^(#.*(?:--recipe|recipes cat)) {re.escape(source.name)}\b"
    text = re.sub(command, lambda found: f"{found[1]} {shlex.quote(new)}", text)
    atomic_write_text(target, text)
    notice(f"copied {source.name} to {target}: edit it, then `fewshot recipes validate {new}`")
    emit([{"path": str(target)}], ["path"], "path")


@app.command("validate")
def validate(
    names: Annotated[list[str], typer.Argument(metavar="NAME|PATH...", help="Recipes to check.")],
    format: Annotated[Format, typer.Option(help="How to print: table or json.")] = "table",
) -> None:
    """Check recipes and name every mistake at once, without training anything."""
    from fewshot.home import recipes_folder
    from recipes.effects import idle_fields
    from recipes.errors import RecipeError
    from recipes.registry import find_recipe
    from recipes.toml import recipe_hash

    rows: list[dict[str, Any]] = []
    worst = 0
    for name in names:
        try:
            file = find_recipe(name, recipes_folder())
            recipe = file.load()
        except RecipeError as error:
            notice(f"error: {error}\nhint: {error.hint}")
            worst = max(worst, error.exit_code)
        else:
            for idle in idle_fields(recipe):
                warn(f"{name}: it sets what has no effect: {idle}")
            rows.append({"name": file.name, "hash": recipe_hash(recipe)[:12], "path": str(file.path)})
    emit(rows, ["name", "hash", "path"], format)
    if worst:
        raise typer.Exit(worst)


app.command("measure")(measure)

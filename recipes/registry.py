"""Recipes by name: those that ship, the user's own, and any TOML file by path."""

import difflib
from dataclasses import dataclass
from pathlib import Path

from recipes.errors import RecipeError, RecipeNotFoundError
from recipes.schema import Recipe
from recipes.toml import loads

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class RecipeFile:
    """A recipe that can be loaded by name."""

    name: str
    """The file's name without `.toml`."""
    path: Path
    """Where it stands."""
    origin: str
    """`built-in` or `user`."""

    def load(self) -> Recipe:
        """Read and validate the file; raises `RecipeError`."""
        return read_recipe(self.path)


def list_recipes(user_folder: Path | None = None) -> list[RecipeFile]:
    """Return the built-in recipes and those in `user_folder`, by name; the user's own win."""
    found = {path.stem: RecipeFile(path.stem, path, "built-in") for path in CONFIGS.glob("*.toml")}
    if user_folder is not None and user_folder.is_dir():
        found |= {path.stem: RecipeFile(path.stem, path, "user") for path in user_folder.glob("*.toml")}
    return [found[name] for name in sorted(found)]


def find_recipe(name_or_path: str | Path, user_folder: Path | None = None) -> RecipeFile:
    """Return the recipe file of that name, or at that path (anything with a separator or `.toml`).

    Raises:
        RecipeNotFoundError: with the closest name, or the list of names.
    """
    text = str(name_or_path)
    if text.endswith(".toml") or "/" in text or "\\" in text:
        path = Path(name_or_path).expanduser()
        if not path.is_file():
            what = "is a folder, expected a .toml file" if path.is_dir() else "does not exist"
            raise RecipeNotFoundError(
                f"the recipe {text} {what}", "`fewshot recipes ls` lists recipes by name"
            )
        return RecipeFile(path.stem, path, "path")
    files = {file.name: file for file in list_recipes(user_folder)}
    if text in files:
        return files[text]
    close = difflib.get_close_matches(text, files, n=1, cutoff=0.5)
    hint = (
        f"did you mean {close[0]!r}?"
        if close
        else f"known recipes: {', '.join(files)}; or give a path to a .toml"
    )
    raise RecipeNotFoundError(f"no recipe is called {text!r}", hint)


def load_recipe(name_or_path: str | Path, user_folder: Path | None = None) -> Recipe:
    """Return the validated recipe of that name or path.

    Args:
        name_or_path: a name that `list_recipes` knows, or a path to a `.toml` file.
        user_folder: where the user's own recipes stand, usually `<home>/recipes`.

    Raises:
        RecipeNotFoundError: when there is none.
        RecipeError: when the file cannot be read or has mistakes, all of which it names.
    """
    return find_recipe(name_or_path, user_folder).load()


def read_recipe(path: Path) -> Recipe:
    """Return the recipe in one file; raises `RecipeError`."""
    try:
        # Some editors put a mark of the encoding before the first line.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text (byte {error.start})", "save the file as UTF-8") from error
    except OSError as error:
        raise RecipeError(
            f"{path}: cannot be read: {error.strerror}", "check the path and its permissions"
        ) from error
    return loads(text, str(path), name=path.stem)

"""Where the toolkit keeps its files: one folder, named by `FEWSHOT_HOME` or chosen by the platform.

Nothing here creates a folder; whoever writes first does.
"""

import os
import unicodedata
from pathlib import Path

from fewshot.errors import UsageError

MAX_NAME_BYTES = 200
"""Bytes of a name in UTF-8; file systems allow 255 and checkpoints add suffixes."""

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def home() -> Path:
    """Return the toolkit's folder: `FEWSHOT_HOME` when set, else the platform's user data folder.

    Raises:
        UsageError: `FEWSHOT_HOME` names a file, or the folder of a user who does not exist.
    """
    chosen = os.environ.get("FEWSHOT_HOME", "").strip()
    if chosen:
        try:
            folder = Path(chosen).expanduser().absolute()
        except RuntimeError:
            raise UsageError(f"FEWSHOT_HOME is {chosen}: there is no such user", "name a folder") from None
        if folder.is_file():
            raise UsageError(f"FEWSHOT_HOME is {folder}, which is a file", "let it name a folder, new or old")
        return folder
    from platformdirs import user_data_path

    return user_data_path("fewshot", appauthor=False)


def run_folder(name: str) -> Path:
    """Return `runs/<name>` under `home()`; raises `UsageError` for a name that is no folder everywhere."""
    return home() / "runs" / check_name(name)


def cache_folder() -> Path:
    """Return the folder for files that can be made or fetched again."""
    return home() / "cache"


def base_folder() -> Path:
    """Return the folder of the user's own base models."""
    return home() / "base"


def recipes_folder() -> Path:
    """Return the folder of the user's own recipes."""
    return home() / "recipes"


def check_name(name: str, what: str = "name") -> str:
    """Return `name` in Unicode form NFC, so that one word typed on two systems is one folder.

    Letters and digits of any script, `.`, `_` and `-` are allowed; `:` and `@` are not, since `--style` reads
    them as weight and alias.

    Raises:
        UsageError: for an empty or too long name, other characters, a leading `.` or `-`, a trailing `.`, or
            a name that Windows keeps for devices (a style made here must unpack there).
    """
    name = unicodedata.normalize("NFC", name)
    hint = "use letters, digits, '.', '_' and '-', starting with a letter or digit, such as soft-ink"
    if not name:
        raise UsageError(f"the {what} is empty", hint)
    bad = sorted({char for char in name if not _allowed(char)})
    if bad:
        raise UsageError(f"the {what} {name!r} contains {' '.join(repr(char) for char in bad)}", hint)
    if not name[0].isalnum() and name[0] != "_":
        raise UsageError(f"the {what} {name!r} starts with {name[0]!r}", hint)
    if name.endswith("."):
        raise UsageError(f"the {what} {name!r} ends with '.'", hint)
    if len(name.encode()) > MAX_NAME_BYTES:
        length = len(name.encode())
        raise UsageError(
            f"the {what} is {length} bytes long, at most {MAX_NAME_BYTES} fit", "choose a shorter one"
        )
    if name.split(".")[0].casefold() in _DEVICES:
        raise UsageError(f"the {what} {name!r} is reserved for a device on Windows", "choose another one")
    return name


def check_text(text: str, what: str) -> str:
    """`text` if every database and file can hold it; raises UsageError otherwise."""
    from fewshot.strict_json import check_storable

    try:
        check_storable(text)
    except ValueError as error:
        raise UsageError(f"the {what} cannot be stored: {error}", "write it in plain letters") from None
    return text


def _allowed(char: str) -> bool:
    # Scripts such as Devanagari write vowels as combining marks (category M), which isalnum() refuses.
    return char in "._-" or char.isalnum() or unicodedata.category(char).startswith("M")

"""How a failed command ends: one message, one hint, one exit code, and no traceback unless asked for."""

import errno
import os
import re
import traceback
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from fewshot.files import SYSTEM_REASONS
from fewshot.output import notice

BUG, BAD_INPUT, NOT_FOUND, INTERRUPTED = 1, 3, 4, 130

_MORE_MEMORY = (
    "close other programs; trainings take a --memory-limit below what they had, anything else a smaller size"
)
_REASONS = SYSTEM_REASONS | {errno.ENOENT: ("no such file or folder", "check the path and its spelling")}


class VerbGroup(TyperGroup):
    """The command group of `fewshot`: turns every exception of a verb into a message and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; raises `typer.Exit` with the exit code of whatever went wrong."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.exceptions.TyperException, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(report(error)) from error


def report(error: BaseException) -> int:
    """Print `error` and what to do about it on stderr and return the exit code.

    An exception with the attributes `hint` and `exit_code` speaks for itself, whichever package defined it.
    """
    message, hint, code = describe(error)
    if os.environ.get("FEWSHOT_TRACEBACK", "0") not in ("", "0"):
        notice("".join(traceback.format_exception(error)).rstrip())
    notice(message if code == INTERRUPTED else f"error: {message}")
    if hint:
        notice(f"hint: {hint}")
    return code


def describe(error: BaseException) -> tuple[str, str, int]:
    """Return message, hint and exit code for any exception."""
    code, hint = getattr(error, "exit_code", None), getattr(error, "hint", None)
    if isinstance(code, int) and isinstance(hint, str):
        return str(error), hint, code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "", INTERRUPTED
    for number, path in _system_errors(error):
        if number in _REASONS:
            what, remedy = _REASONS[number]
            code = NOT_FOUND if number == errno.ENOENT else BAD_INPUT
            return (f"{path}: {what}" if path else what), remedy, code
    if _out_of_memory(error):
        return "not enough memory", _MORE_MEMORY, BAD_INPUT
    text = str(error).strip().split("\n")[0]
    message = f"unexpected {type(error).__name__}: {text}" if text else f"unexpected {type(error).__name__}"
    return message, "this is a bug; FEWSHOT_TRACEBACK=1 before the command shows where it happened", BUG


def _out_of_memory(error: BaseException) -> bool:
    """Of Python, of a GPU, or of torch's allocator on a CPU, which raises a plain RuntimeError."""
    by_name = type(error).__name__ in ("MemoryError", "OutOfMemoryError")
    return by_name or "can't allocate memory" in str(error)


def _system_errors(error: BaseException | None) -> Iterator[tuple[int, str]]:
    """Yield errno and file name of `error` and of what it was raised from.

    safetensors and torch wrap the system's error in their own types: the first keeps Rust's `(os error 28)`
    in its text, the second keeps the OSError as context.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            yield error.errno, str(error.filename or "")
        rust = re.search(r"\(os error (\d+)\)", str(error))
        if rust:
            yield int(rust.group(1)), ""
        error = error.__cause__ or error.__context__

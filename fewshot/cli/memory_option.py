"""The option `--memory-limit` of the verbs that train."""

from typing import Annotated

import typer

MemoryLimit = Annotated[
    str | None,
    typer.Option(
        "--memory-limit",
        metavar="SIZE",
        help="Most memory for each process, such as 4GB; a batch is computed in pieces where it has to be. "
        "Default: what is free.",
    ),
]


def limit_of(text: str | None) -> float | None:
    """Bytes of what was given for it; None where nothing was.

    Raises:
        UsageError: no size.
    """
    from fewshot.sizes import parse_bytes

    return parse_bytes(text) if text else None

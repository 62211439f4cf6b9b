"""The option `--track` of the verbs that train."""

from typing import Annotated

import typer

Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track", help="Log to wandb (offline without an account) or tensorboard; repeat it for both."
    ),
]

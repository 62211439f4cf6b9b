"""Options about rights that `adapt` and `select` share: the licence and what the artist agreed to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from fewshot.consent import Consent

Licence = Annotated[str, typer.Option(help="Licence of the drawings: SPDX id or words.")]
ConsentStatus = Annotated[
    Literal["granted", "self", "public-domain", "unknown"],
    typer.Option("--consent", help="The artist's consent to this style."),
]
ConsentBy = Annotated[str, typer.Option("--consent-by", help="Who gave it.", metavar="NAME")]
ConsentExpires = Annotated[
    str, typer.Option("--consent-expires", help="The last day it holds.", metavar="YYYY-MM-DD")
]


def consent_of(status: str, by: str, expires: str) -> Consent:
    """What the options say.

    Raises:
        UsageError: no such day, or one that is over; a name or a day without a status.
    """
    from fewshot.consent import Consent
    from fewshot.errors import UsageError

    if status == "unknown" and (by or expires):
        raise UsageError(
            "--consent-by and --consent-expires say more of a consent that is not given",
            "give it too: --consent granted",
        )
    consent = Consent(status, by=by, expires=expires)  # type: ignore[arg-type]
    if consent.refusal():
        raise UsageError(f"--consent-expires {expires}: that day is over", "ask the artist first")
    return consent

"""Whose style it is, and whether it may be used: an artist's consent."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from fewshot.errors import ConsentError, UsageError
from fewshot.home import check_text

Status = Literal["granted", "self", "public-domain", "unknown", "withdrawn"]
STATUSES: tuple[Status, ...] = get_args(Status)
_SEVERITY: tuple[Status, ...] = ("public-domain", "self", "granted", "unknown", "withdrawn")
"""From the freest to the strictest."""


@dataclass(frozen=True)
class Consent:
    """What the artist agreed to.

    Raises:
        UsageError: an unknown status, a date that is none, an evidence that is no sha256, or text that cannot
            be stored.
    """

    status: Status = "unknown"
    """`withdrawn` refuses every use; `unknown` warns."""
    by: str = ""
    """Who gave it: the artist, an heir, an agency."""
    date: str = ""
    """When, as YYYY-MM-DD."""
    scope: str = ""
    """For what, in words."""
    expires: str = ""
    """The last day on which it holds, as YYYY-MM-DD; empty for ever."""
    evidence: str = ""
    """sha256 of the letter, mail or form; the document itself is not kept here."""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise UsageError(
                f"the consent's status {self.status!r} is unknown", f"write one of {', '.join(STATUSES)}"
            )
        for name in ("by", "scope"):
            check_text(getattr(self, name), f"consent's {name}")
        for name in ("date", "expires"):
            value = getattr(self, name)
            if value and not _is_day(value):
                raise UsageError(
                    f"the consent's {name} {value!r} is no day of the calendar", "write it as 2026-01-31"
                )
        if self.evidence and not re.fullmatch("[0-9a-f]{64}", self.evidence):
            raise UsageError(
                f"the consent's evidence {self.evidence[:20]!r} is no sha256",
                "give the file with --evidence FILE, or its 64 hexadecimal digits",
            )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | str) -> Consent:
        """As `to_dict` wrote it, or its status alone; unknown keys are left out, so that what a newer release
        wrote can be read."""
        if isinstance(values, str):
            values = {"status": values}
        if not isinstance(values, Mapping):
            raise UsageError(f"the consent is a {type(values).__name__}", "expected a status, or an object")
        known = {name: str(values.get(name) or "") for name in cls.__dataclass_fields__}
        return cls(**{**known, "status": known["status"] or "unknown"})  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, str]:
        """What JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        """In words, for cards."""
        said = (
            *(("by", self.by), ("on", self.date), ("until", self.expires), ("for:", self.scope)),
            ("with evidence", self.evidence[:12]),
        )
        return " ".join([self.status, *(f"{word} {value}" for word, value in said if value)])

    def check_said_today(self) -> None:
        """Raise UsageError for what cannot be said: a day to come, or an end before the beginning."""
        today = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)
        if self.date and datetime.date.fromisoformat(self.date) > today:
            raise UsageError(f"the consent's date {self.date} is still to come", "write the day it was given")
        if self.date and self.expires and self.expires < self.date:
            raise UsageError(
                f"the consent would end on {self.expires}, before it was given on {self.date}",
                "change --date or --expires",
            )

    def expired(self, today: datetime.date | None = None) -> bool:
        """Whether its last day is over."""
        today = today or datetime.datetime.now(datetime.UTC).date()
        return bool(self.expires) and datetime.date.fromisoformat(self.expires) < today

    def state(self, today: datetime.date | None = None) -> str:
        """The status as it counts today: `expired` where its last day is over."""
        return "expired" if self.status != "withdrawn" and self.expired(today) else self.status

    def refusal(self, today: datetime.date | None = None) -> str:
        """Why it forbids every use, in words; empty where it does not."""
        if self.status == "withdrawn":
            return "the artist's consent is withdrawn" + (f" since {self.date}" if self.date else "")
        if self.expired(today):
            return f"the artist's consent expired on {self.expires}"
        return ""


UNKNOWN = Consent()
"""Nothing was said."""


def require(name: str, refusal: str) -> None:
    """Raise ConsentError when a style may not be used, exported or shown, for the reason of `refusal`."""
    if refusal:
        raise ConsentError(
            f"the style {name} may not be used: {refusal}",
            "choose another style, or ask the artist; for a catalogued one `fewshot catalog log` tells more",
        )


def stricter(first: Consent, second: Consent) -> Consent:
    """The one of two that allows less: a copy cannot give back what its original lost."""

    def rank(consent: Consent) -> tuple[bool, int, bool]:
        return bool(consent.refusal()), _SEVERITY.index(consent.status), bool(consent.expires)

    return max(first, second, key=rank)


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

"""Whether a style may be used: the consent of every entry that has or had its weights counts."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from fewshot.catalog.models import Entry, Version, Weights
from fewshot.catalog.names import find_version, parse
from fewshot.consent import Consent, require, stricter


class Said(NamedTuple):
    """A consent, and of which style it was said."""

    consent: Consent
    of: str

    def refusal(self, own: str = "") -> str:
        """Why it forbids every use, in words; of which style that was said, unless it is `own`."""
        said = self.consent.refusal()
        return f"{said} (said of {self.of}, which has these weights)" if said and self.of != own else said


def allowed_version(session: Session, text: str) -> tuple[Entry, Version, Consent]:
    """The version that `text` means and the consent to it; raises IntegrityError where that refuses."""
    entry, version = find_version(session, parse(text))
    said = consent_for(session, version.tensors_sha256, entry)
    require(f"{entry.name}@{version.number}", said.refusal(entry.name))
    return entry, version, said.consent


def consent_for(session: Session, tensors_sha256: str, entry: Entry | None = None) -> Said:
    """The consent to weights: the entry's own, unless that of another entry with them refuses."""
    own = Said(Consent.from_dict(entry.consent if entry else {}), entry.name if entry else "")
    if own.consent.refusal():
        return own
    return refusals(session, [tensors_sha256]).get(tensors_sha256, own)


def refusals(session: Session, tensors_sha256: Collection[str]) -> dict[str, Said]:
    """For each of these weights that are refused, the strictest consent of all entries that have or had them.

    Another name gives no other rights, and `rm` takes no withdrawal away. Only what refuses is passed on:
    `unknown` of a copy says nothing about the original.
    """
    query = select(Weights.tensors_sha256, Entry.name, Entry.consent).join(
        Entry, Entry.id == Weights.entry_id
    )
    found: dict[str, Said] = {}
    for weights, name, values in session.execute(query.where(Weights.tensors_sha256.in_(tensors_sha256))):
        said = Said(Consent.from_dict(values), name)
        if said.consent.refusal():
            known = found.get(weights, said)
            found[weights] = said if stricter(known.consent, said.consent) is said.consent else known
    return found

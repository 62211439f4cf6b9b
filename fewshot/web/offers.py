"""What a booth has on offer: styles as visitors see them, and with their weights."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from fewshot.adapters.files import RECORD, WEIGHTS
from fewshot.errors import NotFoundError

if TYPE_CHECKING:
    from fewshot.adapters.adapter import Adapter
    from fewshot.consent import Consent


@dataclass(frozen=True)
class Offer:
    """A style that visitors can choose."""

    ref: str
    """What it is called in requests."""
    kind: Literal["base", "run", "catalogue"]
    """Where it comes from."""
    artist: str = ""
    """Whose hand it is."""
    licence: str = ""
    """Licence words."""
    consent: str = "unknown"
    """The artist's, as it counts today."""
    tags: tuple[str, ...] = ()
    """Words to find it by."""
    base: str = ""
    """What it was trained on."""


@dataclass(frozen=True, eq=False)
class Found:
    """A style that may be used now."""

    offer: Offer
    """What visitors see of it."""
    identity: str
    """Styles with the same one draw the same."""
    adapter: Adapter | None
    """Its weights; None for the base itself."""
    label: str
    """What it is called in metrics: one name for each version."""


def has_words(offer: Offer, words: Sequence[str]) -> bool:
    """Whether every one of the words is in what visitors see of a style."""
    text = " ".join((offer.ref, offer.artist, offer.licence, *offer.tags)).casefold()
    return all(word.casefold() in text for word in words)


class KnownRun(NamedTuple):
    """What a list of styles says of a run, so that its files are read once and not for every list."""

    written: str
    """When, as `written_at` says."""
    offer: Offer
    weights_sha256: str
    consent: Consent


class Catalogued(NamedTuple):
    """A style of the catalogue, as it may be used now."""

    offer: Offer
    identity: str
    """Of its files."""
    label: str
    """As in `Found`."""
    consent: Consent


def written_at(folder: Path) -> str:
    """Changes with an adapter's weights and with what is written about them, such as consent.

    Raises:
        NotFoundError: there are no weights.
    """
    try:
        stats = [(folder / WEIGHTS).stat()]
    except FileNotFoundError:
        raise NotFoundError(f"the style {folder.parent.name!r} is incomplete", "choose another one") from None
    with contextlib.suppress(FileNotFoundError):
        stats.append((folder / RECORD).stat())
    return "/".join(f"{stat.st_mtime_ns}/{stat.st_size}" for stat in stats)

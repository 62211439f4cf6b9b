"""What a booth has on offer: styles as visitors see them, and with their weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from fewshot.adapters.adapter import Adapter


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

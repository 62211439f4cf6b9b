"""What the rest of the toolkit asks the catalogue, if there is one: a style by name, and may it be used."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.catalog.place import has_catalogue
from fewshot.consent import Consent, require
from fewshot.errors import NotFoundError, UsageError
from fewshot.output import warn

if TYPE_CHECKING:
    from fewshot.catalog.store import Catalog


def catalogued(ref: str) -> tuple[Path, Consent] | None:
    """The folder of a catalogued style, checked and allowed, and the consent to it; None where the catalogue
    knows no such name.

    Raises:
        NotFoundError: the style has no such version or alias.
        IntegrityError: no consent, or a stored file is missing or damaged.
    """
    if not has_catalogue():
        return None
    from fewshot.catalog.checkout import checkout
    from fewshot.catalog.names import parse
    from fewshot.catalog.store import Catalog

    catalog = Catalog()
    try:
        if not _knows(catalog, ref):
            return None
        folder, consent = checkout(catalog, ref)
    finally:
        catalog.close()
    if consent.status == "unknown":
        said = f"fewshot catalog consent {parse(ref).name} granted --by ARTIST"
        warn(f"nobody wrote down whether the artist of {ref} agrees; if so: {said}")
    return folder, consent


def is_catalogued(ref: str) -> bool:
    """Whether the catalogue has a style of that name, whatever its consent.

    Raises:
        NotFoundError: the name has a version or an alias, and no such style is there.
    """
    if not has_catalogue():
        return False
    from fewshot.catalog.store import Catalog

    catalog = Catalog()
    try:
        return _knows(catalog, ref)
    finally:
        catalog.close()


def _knows(catalog: Catalog, ref: str) -> bool:
    from fewshot.catalog.names import find_entry, parse

    try:
        reference = parse(ref)
    except UsageError:
        return False
    with catalog.read() as session:
        try:
            find_entry(session, reference.name)
        except NotFoundError:
            if reference.which:
                raise
            return False
    return True


def require_consent(name: str, weights: bytes) -> None:
    """Raise IntegrityError where the catalogue knows these weights and refuses them, whatever the name."""
    if not has_catalogue():
        return
    from fewshot.catalog.allowing import consent_for
    from fewshot.catalog.contents import tensors_sha256
    from fewshot.catalog.store import Catalog

    catalog = Catalog()
    try:
        with catalog.read() as session:
            require(name, consent_for(session, tensors_sha256(weights)).refusal(name))
    finally:
        catalog.close()

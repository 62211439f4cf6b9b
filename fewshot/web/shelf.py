"""Which styles are on offer, and their weights: asked anew for every request, so that what was withdrawn is
gone at once.

On offer are the base itself, the finished runs of this machine and the styles of its catalogue, or only those
that the booth was told. A style is called as after `--style`: `ink`, `ink@approved`.
"""

from __future__ import annotations

import contextlib
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from base_models.registry import list_models
from fewshot.adapters.adapter import Adapter, adapter_of
from fewshot.adapters.files import WEIGHTS, AdapterFiles, is_adapter, read_files
from fewshot.catalog.allowing import allowed_version, consent_for
from fewshot.catalog.checkout import checkout
from fewshot.catalog.contents import tensors_sha256
from fewshot.catalog.filters import Filter
from fewshot.catalog.listing import ls, names
from fewshot.catalog.models import Entry, Tag
from fewshot.catalog.names import parse
from fewshot.catalog.place import has_catalogue
from fewshot.catalog.store import Catalog
from fewshot.consent import require
from fewshot.errors import FewshotError, NotFoundError, UsageError
from fewshot.home import base_folder, run_folder
from fewshot.styles import finished_runs
from fewshot.web.offers import Catalogued, Found, KnownRun, Offer, has_words, written_at

if TYPE_CHECKING:
    from fewshot.web.settings import Settings

_LOOK = "choose another one"
_KEPT = 64
"""Adapters in memory: 2 MB each at most."""


@dataclass(frozen=True, eq=False)
class _Kept:
    adapter: Adapter
    weights_sha256: str


class Shelf:
    """The styles of one booth.

    Args:
        settings: which of them are on offer.

    Raises:
        FewshotError: a style that the booth was told of is not there or may not be used.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._adapters: OrderedDict[str, _Kept] = OrderedDict()
        self._known: dict[str, KnownRun] = {}
        self._catalog: Catalog | None = None
        self._licence: str | None = None
        for ref in settings.styles:
            try:
                self.find(ref)
            except NotFoundError:
                raise NotFoundError(
                    f"there is no style {ref!r}", "`fewshot catalog ls` lists those of the catalogue"
                ) from None

    @property
    def catalog(self) -> Catalog | None:
        """This machine's catalogue; None as long as it has none."""
        with self._lock:
            if self._catalog is None and has_catalogue():
                self._catalog = Catalog()
            return self._catalog

    def close(self) -> None:
        """Give the catalogue back."""
        if self._catalog is not None:
            self._catalog.close()

    def offers(
        self, words: Sequence[str] = (), *, limit: int = 60, offset: int = 0
    ) -> tuple[list[Offer], int]:
        """A page of the styles, those that the booth was told first to last, and how many there are."""
        if self.settings.styles:
            chosen = [offer for ref in self.settings.styles if (offer := self._offered(ref))]
        else:
            chosen = [self._base()]
            chosen += [offer for name in self._runs() if (offer := self._offered(name))]
        chosen = [offer for offer in chosen if has_words(offer, words)]
        page, total = chosen[offset : offset + limit], len(chosen)
        if self.settings.styles or self.catalog is None:
            return page, total
        wanted = Filter(tuple(words), consent="usable")
        start = max(0, offset - total)
        found = ls(self.catalog, wanted, limit=max(1, limit - len(page)), offset=start)
        page += [
            Offer(row.name, "catalogue", row.artist, row.licence, row.consent, row.tags, row.base)
            for row in found.rows
        ]
        return page[:limit], total + found.total

    def find(self, ref: str) -> Found:
        """A style by its name.

        Raises:
            NotFoundError: it is not on offer.
            IntegrityError: the artist's consent forbids it, or it is damaged.
        """
        if self.settings.styles and ref not in self.settings.styles:
            raise NotFoundError(f"the style {ref!r} is not on offer", _LOOK)
        if ref == self.settings.base:
            return Found(self._base(), "base", None, ref)
        return self._in_catalogue(ref) or self._run(ref)

    def _base(self) -> Offer:
        name = self.settings.base
        with self._lock:
            if self._licence is None:
                known = {info.name: info.licence for info in list_models((base_folder(),))}
                self._licence = known.get(name, "")
        return Offer(name, "base", licence=self._licence, base=name)

    def _offered(self, ref: str) -> Offer | None:
        """What visitors see of a style; None where it may not be used. Weights are not read for it."""
        # A folder may be going while it is looked at.
        with contextlib.suppress(FewshotError, OSError):
            if ref == self.settings.base:
                return self._base()
            there = self._catalogued(ref)
            return there.offer if there is not None else self._allowed_run(ref)[1].offer
        return None

    def _runs(self) -> list[str]:
        """Those that the catalogue has no style of the same name of: it goes before them."""
        return [name for name in finished_runs() if not self._knows(name)]

    def offered_names(self) -> dict[str, str]:
        """What the catalogue's styles that are on offer are called in requests, by their names there."""
        if self.catalog is None:
            return {}
        usable = names(self.catalog, Filter(consent="usable"))
        if not self.settings.styles:
            return {name: name for name in usable}
        refs = {ref.partition("@")[0]: ref for ref in reversed(self.settings.styles)}
        return {name: ref for name, ref in refs.items() if name in usable}

    def _knows(self, name: str) -> bool:
        if self.catalog is None:
            return False
        with self.catalog.read() as session:
            found = select(Entry.id).where(
                Entry.name == unicodedata.normalize("NFC", name), Entry.latest.is_not(None)
            )
            return session.scalar(found.limit(1)) is not None

    def _catalogued(self, ref: str) -> Catalogued | None:
        """A style of the catalogue that may be used; None where it knows no such name."""
        catalog = self.catalog
        if catalog is None:
            return None
        try:
            reference = parse(ref)
        except UsageError as error:
            raise NotFoundError(f"the style {ref!r} is not on offer", error.hint) from None
        if not reference.which and not self._knows(reference.name):
            return None
        with catalog.read() as session:
            entry, version, consent = allowed_version(session, ref)
            offer = Offer(
                ref,
                "catalogue",
                entry.artist,
                entry.licence,
                consent.state(),
                tuple(session.scalars(select(Tag.tag).where(Tag.entry_id == entry.id).order_by(Tag.tag))),
                version.base_name,
            )
            return Catalogued(offer, version.files_sha256, f"{entry.name}@{version.number}", consent)

    def _in_catalogue(self, ref: str) -> Found | None:
        catalog, there = self.catalog, self._catalogued(ref)
        if catalog is None or there is None:
            return None
        kept = self._kept(there.identity)
        if kept is None:
            folder, _ = checkout(catalog, ref)
            kept = self._keep(there.identity, read_files(folder))
        # The catalogue's consent counts: it may have been renewed since the files were written.
        adapter = replace(kept.adapter, name=ref, consent=there.consent)
        return Found(there.offer, adapter.sha256, adapter, there.label)

    def _allowed_run(self, ref: str) -> tuple[Path, KnownRun]:
        """The adapter's folder of a run that may be used, and what is known of it."""
        try:
            folder = run_folder(ref) / "adapter"
        except UsageError:
            folder = None
        if folder is None or not is_adapter(folder):
            raise NotFoundError(f"the style {ref!r} is not on offer", _LOOK)
        written = written_at(folder)
        known = self._known.get(ref)
        if known is None or known.written != written:
            kept = self._keep(f"{ref}/{written}", read_files(folder))
            adapter = kept.adapter
            offer = Offer(ref, "run", "", adapter.licence, adapter.consent.state(), (), adapter.base_name)
            known = self._known[ref] = KnownRun(written, offer, kept.weights_sha256, adapter.consent)
        require(ref, known.consent.refusal())
        if self.catalog is not None:
            with self.catalog.read() as session:
                require(ref, consent_for(session, known.weights_sha256).refusal(ref))
        # It may have expired since.
        return folder, known._replace(offer=replace(known.offer, consent=known.consent.state()))

    def _run(self, ref: str) -> Found:
        folder, known = self._allowed_run(ref)
        identity = f"{ref}/{known.written}"
        adapter = (self._kept(identity) or self._keep(identity, read_files(folder))).adapter
        return Found(known.offer, adapter.sha256, adapter, ref)

    def _kept(self, identity: str) -> _Kept | None:
        with self._lock:
            kept = self._adapters.get(identity)
            if kept is not None:
                self._adapters.move_to_end(identity)
            return kept

    def _keep(self, identity: str, files: AdapterFiles) -> _Kept:
        made = _Kept(adapter_of(files), tensors_sha256(files.contents[WEIGHTS]))
        with self._lock:
            # Another thread may have been faster; all are to draw with the same.
            kept = self._adapters.setdefault(identity, made)
            while len(self._adapters) > _KEPT:
                self._adapters.popitem(last=False)
        return kept

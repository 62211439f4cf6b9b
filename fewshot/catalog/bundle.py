"""`export` and `import`: a version of a style leaves as one zip or one folder, and a zip comes in.

Nothing is ever written under a name from a bundle: files go to the catalogue under their hashes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from fewshot.adapters.files import is_adapter, verified
from fewshot.catalog.adding import Added, Facts, add_contents
from fewshot.catalog.allowing import allowed_version
from fewshot.catalog.bundle_base import install_base, packed_base, unpacked_base
from fewshot.catalog.bundle_file import HINT, SCHEMA, pack, read
from fewshot.catalog.checkout import stored_files, stored_hashes, write_folder
from fewshot.catalog.contents import Contents, contents_of
from fewshot.catalog.models import Tag, Version
from fewshot.catalog.names import find_entry
from fewshot.catalog.restated import restated
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.errors import ConflictError, IntegrityError, NotFoundError, UsageError
from fewshot.files import atomic_write_bytes
from fewshot.home import check_name

_ARCHIVES = (".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")


def export(
    catalog: Catalog, text: str, out: Path, *, with_base: bool = False, overwrite: bool = False
) -> Path:
    """Write a version as a bundle (`out` ends in `.zip`) or as a PEFT folder.

    A folder's card and adapter.json state what the catalogue knows of rights. The log has its line before
    there is a file.

    Raises:
        NotFoundError: no such style, version or alias, or its base is no file here.
        ConflictError: `out` exists, or is to be replaced and is no adapter.
        IntegrityError: no consent, a stored file is missing or damaged, or the base here is another one.
        UsageError: a base is wanted in a folder, or another kind of archive.
    """
    zipped = out.suffix.lower() == ".zip"
    if with_base and not zipped:
        raise UsageError(f"{out}: a folder has no room for a base", "write a bundle: -o NAME.zip --with-base")
    if out.suffix.lower() in _ARCHIVES:
        raise UsageError(f"{out}: a bundle is a .zip", f"-o {out.with_suffix('.zip')}, or a folder's name")
    _refuse_to_replace(out, zipped, overwrite)
    with catalog.read() as session:
        entry, version, consent = allowed_version(session, text)
        hashes = stored_hashes(session, version)
        tags = session.scalars(select(Tag.tag).where(Tag.entry_id == entry.id).order_by(Tag.tag))
        facts = {
            "name": entry.name,
            "artist": entry.artist,
            "licence": entry.licence,
            "tags": list(tags),
            "consent": consent.to_dict(),
            "base": (base := {"name": version.base_name, "sha256": version.base_sha256}),
        }
    files = stored_files(catalog, version, hashes)
    packed = packed_base(base) if with_base else None
    with catalog.write() as session:
        catalog.record(session, "export", entry.name, {"with_base": with_base}, version.number)
    if zipped:
        manifest = {"schema": SCHEMA, "version": version.number, "notes": entry.notes, **facts}
        atomic_write_bytes(out, pack(manifest, files, packed))
    else:
        write_folder(out, restated(files, facts), overwrite=overwrite)
    return out


def _refuse_to_replace(out: Path, zipped: bool, overwrite: bool) -> None:
    if not out.exists():
        return
    if not overwrite:
        raise ConflictError(f"{out} exists already", "choose another -o, or replace it with --overwrite")
    if zipped != out.is_file() or (out.is_dir() and any(out.iterdir()) and not is_adapter(out)):
        raise ConflictError(
            f"{out} is no adapter and no bundle, and would be lost; expected one to replace",
            "choose another -o",
        )


def import_(catalog: Catalog, path: Path, *, name: str | None = None) -> Added:
    """Take a bundle in: all of it or nothing, and once however often it is done.

    Args:
        name: of the style here; the bundle's own when left out.

    Raises:
        NotFoundError: no such file, or the bundle's base is neither here nor in it.
        BadInputError: larger than a bundle can be.
        IntegrityError: not a bundle, or changed since it was written.
        UsageError: a name that cannot be one.
        ConflictError: a style of that name is another artist's.
    """
    bundle = read(path)
    manifest = bundle.manifest
    name = check_name(name or manifest["name"])
    files = verified(Path(path.name), bundle.files.get)
    # A plain PEFT folder may not know its base's hash.
    files = replace(files, base_sha256=files.base_sha256 or manifest["base"]["sha256"])
    if {"name": files.base_name, "sha256": files.base_sha256} != manifest["base"]:
        raise IntegrityError(f"{path}: the manifest names another base than the adapter", HINT)
    with unpacked_base(manifest["base"], bundle.base) as folder:
        contents = contents_of(files, *([folder] if folder else []))
    words = {key: manifest[key] for key in ("artist", "licence", "notes")}
    contents = replace(contents, record={**contents.record, **words})
    facts = Facts(tags=manifest["tags"], stated=Consent.from_dict(manifest["consent"]))
    _refuse_another_artists(catalog, name, words["artist"], contents)
    if bundle.base is not None:
        # Last of all: what follows is one transaction, and a base without a style does no harm.
        install_base(manifest["base"], bundle.base)
    return add_contents(catalog, contents, name, facts, "import")


def _refuse_another_artists(catalog: Catalog, name: str, artist: str, contents: Contents) -> None:
    """What comes from elsewhere is no version of somebody else's style, whose consent it would go under."""
    with catalog.read() as session:
        try:
            entry = find_entry(session, name)
        except NotFoundError:
            return
        same = select(Version.id).where(
            Version.entry_id == entry.id, Version.tensors_sha256 == contents.tensors_sha256
        )
        # Two of nobody named may be two people's.
        if (artist and entry.artist == artist) or session.scalar(same.limit(1)) is not None:
            return
        known, new = entry.artist or "nobody named", artist or "nobody named"
        raise ConflictError(
            f"there is a style {name!r} by {known} already; this one is by {new}",
            f"choose another name: --name {name}-2; if it is one artist's, name them on both sides: "
            f"fewshot catalog edit {name} --artist NAME",
        )

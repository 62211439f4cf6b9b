"""The base that a bundle brings along."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from base_models.registry import CheckpointError, create_model, find_file
from fewshot.catalog.contents import base_sha256
from fewshot.errors import IntegrityError, NotFoundError
from fewshot.files import atomic_write_bytes
from fewshot.home import home


@contextlib.contextmanager
def installed_base(base: Mapping[str, str], data: bytes | None) -> Iterator[None]:
    """Put a base into `FEWSHOT_HOME/base` if this machine has none of that name; after an error it is gone.

    Args:
        base: `name` and `sha256` of the base that is wanted.
        data: its file, if there is one.

    Raises:
        NotFoundError: it is not here, and no file came along.
        IntegrityError: the file is no base, or another one.
    """
    if _is_here(base["name"]):
        # Another one of that name is refused by whoever compares the hashes.
        yield
        return
    if data is None:
        raise NotFoundError(
            f"the bundle is for the base {base['name']!r}, which is not here",
            "ask for a bundle with it: fewshot catalog export NAME -o NAME.zip --with-base",
        )
    _check(base, data, "the bundle's base")
    target = home() / "base" / f"{base['name']}.safetensors"
    atomic_write_bytes(target, data)
    try:
        yield
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def packed_base(base: Mapping[str, str]) -> bytes:
    """The file of this machine's base, to be packed.

    Raises:
        NotFoundError: there is no file of that name.
        IntegrityError: it is damaged, or has changed since the style was made.
    """
    data = find_file(base["name"], (home() / "base",)).read_bytes()
    _check(base, data, f"the base {base['name']} here")
    return data


def _is_here(name: str) -> bool:
    with contextlib.suppress(NotFoundError):
        base_sha256(name)
        return True
    return False


def _check(base: Mapping[str, str], data: bytes, what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{base['name']}.safetensors"
        path.write_bytes(data)
        try:
            found = create_model(str(path)).sha256
        except CheckpointError as error:
            raise IntegrityError(f"{what} is damaged: {error}", error.hint) from None
    if found != base["sha256"]:
        raise IntegrityError(
            f"{what} has the sha256 {found[:12]}…, expected {base['sha256'][:12]}…",
            "ask whoever made it for the file, or for a new bundle --with-base",
        )

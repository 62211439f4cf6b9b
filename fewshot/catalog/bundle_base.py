"""The base that a bundle brings along."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from base_models.registry import CheckpointError, create_model, find_file, list_models, same_model
from fewshot.errors import IntegrityError, NotFoundError
from fewshot.files import atomic_write_bytes
from fewshot.home import base_folder


@contextlib.contextmanager
def unpacked_base(base: Mapping[str, str], data: bytes | None) -> Iterator[Path | None]:
    """A temporary folder with the base that came along, to try an adapter on; None where it is here already.

    Args:
        base: `name` and `sha256` of the base that is wanted.
        data: its file, if there is one.

    Raises:
        NotFoundError: it is not here under any name, and no file came along.
        IntegrityError: the file is no base, or another one.
    """
    if is_here(base):
        yield None
        return
    if data is None:
        raise NotFoundError(
            f"the bundle is for the base {base['name']!r}, sha256 {base['sha256'][:12]}…, which is not here",
            "ask for a bundle with it: fewshot catalog export NAME -o NAME.zip --with-base",
        )
    with tempfile.TemporaryDirectory() as folder:
        _check(base, data, "the bundle's base", Path(folder))
        yield Path(folder)


def install_base(base: Mapping[str, str], data: bytes) -> None:
    """Put a checked base into `FEWSHOT_HOME/base`, unless it is here; never over another file.

    Where its name is taken by another base, its hash is added to the name: styles find it by that.
    """
    if is_here(base):
        return
    for name in (base["name"], f"{base['name']}-{base['sha256'][:12]}"):
        target = base_folder() / f"{name}.safetensors"
        taken = any(model.name == name for model in list_models()) or os.path.lexists(target)
        if not taken:
            atomic_write_bytes(target, data)
            return
    raise IntegrityError(
        f"{target}: exists and is not the base that its name says", "move it away and import again"
    )


def is_here(base: Mapping[str, str]) -> bool:
    """Whether this machine has a base of that hash, whatever it is called."""
    folders = (base_folder(),)
    name = same_model(base["name"], base["sha256"], folders)
    models = {model.name: model for model in list_models(folders)}
    if name not in models:
        return False
    # A random model has no file, and so no stored hash.
    return (models[name].sha256 or create_model(name).sha256) == base["sha256"]


def packed_base(base: Mapping[str, str]) -> bytes:
    """The file of this machine's base, to be packed.

    Raises:
        NotFoundError: there is no file of it.
        IntegrityError: it is damaged, or has changed since the style was made.
    """
    folders = (base_folder(),)
    name = same_model(base["name"], base["sha256"], folders)
    if any(model.name == name and model.path is None for model in list_models(folders)):
        raise NotFoundError(
            f"the base {name} is made from a seed and has no file",
            "every fewshot has it: leave --with-base out",
        )
    data = find_file(name, folders).read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        _check(base, data, f"the base {name} here", Path(folder))
    return data


def _check(base: Mapping[str, str], data: bytes, what: str, folder: Path) -> None:
    # Under its hash: a base of this machine may have the name.
    path = folder / f"{base['sha256']}.safetensors"
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

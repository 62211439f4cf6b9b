"""What the catalogue takes from an adapter folder: its files with their hashes, and what they say."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors

from base_models.registry import CheckpointError, create_model, list_models, same_model
from fewshot.adapters.files import CONFIG, HINT, WEIGHTS, AdapterFiles, read_files
from fewshot.errors import BadInputError, IntegrityError, NotFoundError
from fewshot.home import base_folder

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

FEATURES = "style_features.safetensors"
MAX_BYTES = 256_000_000
"""Of one adapter; those of method `full` are the largest, about 12 MB at 256 px."""

_KINDS = ("references", "results")
"""Tables that a file of features has."""


@dataclass(frozen=True)
class Block:
    """Style features of one kind of a version's pictures."""

    kind: str
    """`references` or `results`."""
    extractor_sha256: str
    """Of the network that made them: others are not comparable."""
    rows: np.ndarray = field(repr=False)
    """float16 `(n, d)`."""


@dataclass(frozen=True)
class Contents:
    """A verified adapter, ready to be stored."""

    name: str
    base_name: str
    base_sha256: str
    record: Mapping[str, Any]
    """adapter.json; empty for a plain PEFT folder."""
    files: Mapping[str, bytes] = field(repr=False)
    """Content of every file."""

    @cached_property
    def hashes(self) -> dict[str, str]:
        """sha256 of every file."""
        return {path: hashlib.sha256(data).hexdigest() for path, data in sorted(self.files.items())}

    @property
    def sha256(self) -> str:
        """Over names and hashes of all files."""
        return hashlib.sha256(json.dumps(self.hashes, sort_keys=True).encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(map(len, self.files.values()))

    @cached_property
    def tensors_sha256(self) -> str:
        """See the function of that name."""
        return tensors_sha256(self.files[WEIGHTS])

    @property
    def metrics(self) -> dict[str, Any]:
        """As the adapter states them."""
        return dict(self.record.get("metrics") or {})

    @cached_property
    def features(self) -> list[Block]:
        """Of `style_features.safetensors`; none where there is no such file."""
        extractor = str(self.record.get("extractor_sha256") or "")
        if FEATURES not in self.files or not extractor:
            return []
        blocks = []
        for kind, tensor in sorted(_tensors(self.files[FEATURES], FEATURES).items()):
            if kind not in _KINDS:
                continue
            if tensor["dtype"] != "F16" or len(tensor["shape"]) != 2:
                raise IntegrityError(f"{FEATURES}: {kind} is no float16 table of features", HINT)
            rows = np.frombuffer(tensor["data"], "<f2").reshape(tensor["shape"])
            if rows.size and np.isfinite(rows).all():
                blocks.append(Block(kind, extractor, rows))
        return blocks


def read_contents(folder: Path) -> Contents:
    """Read and verify an adapter folder, or the run that holds one.

    Raises:
        NotFoundError: no adapter there, or one of a base that this machine does not have.
        IntegrityError: damaged, changed, or of another state of its base.
        BadInputError: too large to be an adapter.
    """
    inside = folder / "adapter"
    files = read_files(inside if inside.is_dir() else folder)
    return contents_of(files)


def contents_of(files: AdapterFiles, *further: Path) -> Contents:
    """The same from files that were read already; `further` are folders with bases beside this machine's."""
    size = sum(map(len, files.contents.values()))
    if size > MAX_BYTES:
        raise BadInputError(
            f"{files.folder}: {size:,} bytes; expected an adapter of at most {MAX_BYTES:,}",
            "train it with a smaller rank: fewshot adapt … rank=8",
        )
    base = _known_base(files.base_name, files.base_sha256, (base_folder(), *further))
    if files.base_sha256 and files.base_sha256 != base.sha256:
        raise IntegrityError(
            f"{files.folder}: made for a {files.base_name} of sha256 {files.base_sha256[:12]}…; "
            f"here it is {base.sha256[:12]}…",
            "put the base that it was trained on into FEWSHOT_HOME/base, or train it again",
        )
    _try_on(files, base)
    return Contents(files.name, files.base_name, base.sha256, files.record, files.contents)


def _known_base(name: str, sha256: str, folders: tuple[Path, ...]) -> BaseModel:
    """The base of that hash, or else of that name; raises NotFoundError and IntegrityError."""
    files = [path for folder in folders for path in sorted(folder.glob("*.safetensors"))]
    stats = [(path, path.stat()) for path in files]
    state = tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in stats)
    return _load_base(name, sha256, folders, state)


@lru_cache(2)
def _load_base(name: str, sha256: str, folders: tuple[Path, ...], state: tuple[Any, ...]) -> BaseModel:
    """`state` changes with the files, so that a base that was replaced is read again."""
    here = same_model(name, sha256, folders)
    if here not in {model.name for model in list_models(folders)}:
        raise NotFoundError(
            f"its base {name!r} is not known here", "`fewshot base ls` lists the bases; import it --with-base"
        )
    try:
        return create_model(here, folders=folders)
    except CheckpointError as error:
        raise IntegrityError(str(error), error.hint) from None


def tensors_sha256(weights: bytes) -> str:
    """Over names, shapes, types and values of a file's tensors, in whatever order it has them."""
    digest = hashlib.sha256()
    for name, tensor in sorted(_tensors(weights, WEIGHTS).items()):
        digest.update(json.dumps([name, tensor["dtype"], tensor["shape"]]).encode())
        digest.update(tensor["data"])
    return digest.hexdigest()


def numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Every finite number in nested metrics, by its path: `kid.adapter`, `rank`."""
    found: dict[str, float] = {}
    for key, value in metrics.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{inner}": number for inner, number in numbers(value).items()}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            found[str(key)] = float(value)
    return {name[:200]: value for name, value in found.items()}


def _tensors(data: bytes, name: str) -> dict[str, dict[str, Any]]:
    try:
        return dict(safetensors.deserialize(data))
    except safetensors.SafetensorError as error:
        raise IntegrityError(f"{name}: damaged ({error!s:.80})", HINT) from None


def _try_on(files: AdapterFiles, base: BaseModel) -> None:
    """Refuse tensors that do not fit the base, whoever sealed the folder."""
    from base_models.checkpoint import arrays_of
    from fewshot.adapters.adapter import adapter_of
    from fewshot.adapters.algebra import deltas

    with tempfile.TemporaryDirectory() as folder:
        # PEFT merges some methods, and reads nothing but folders.
        for name in (CONFIG, WEIGHTS):
            Path(folder, name).write_bytes(files.contents[name])
        try:
            deltas(replace(adapter_of(files), folder=Path(folder)), arrays_of(base))
        except IntegrityError as error:
            raise IntegrityError(str(error).replace(folder, str(files.folder)), error.hint) from None

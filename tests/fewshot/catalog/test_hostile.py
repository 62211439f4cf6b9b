"""Adapter folders and bundles that say odd things: a clear refusal on both databases, and nothing is left."""

import contextlib
import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from fewshot.adapters.files import CONFIG, RECORD, WEIGHTS, record_bytes, seal
from fewshot.catalog.adding import Facts, add
from fewshot.catalog.bundle import export, import_
from fewshot.catalog.bundle_file import pack, read
from fewshot.catalog.listing import log, ls
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import verify
from fewshot.consent import Consent
from fewshot.errors import FewshotError, IntegrityError, UsageError
from fewshot.styles import load_style

Make = Callable[..., Path]

ODD: dict[str, dict[str, Any]] = {
    "base is text": {"base": "scan_tiny"},
    "base is a list": {"base": ["scan_tiny"]},
    "base has a number": {"base": {"name": 3, "sha256": ""}},
    "base has no hash": {"base": {"name": "scan_tiny", "sha256": "x" * 70}},
    "recipe is text": {"recipe": "quick"},
    "recipe hash is long": {"recipe": {"hash": "a" * 65}},
    "metrics are a list": {"metrics": [1, 2]},
    "metrics are huge": {"metrics": {"kid": 10**400}},
    "references are a number": {"references": 3},
    "references are numbers": {"references": [1, 2]},
    "extractor is long": {"extractor_sha256": "e" * 65},
    "name is a number": {"name": 7},
    "licence is a list": {"licence": ["MIT"]},
    "notes have a NUL": {"notes": "a\0b"},
    "half a surrogate": {"artist": "\ud800"},
    "consent is odd": {"consent": {"status": "granted", "date": "soon"}},
}
FILES = (
    "..",
    ".",
    "a\0b.json",
    "sub/file.json",
    "../up.json",
    "model.bin",
    "run.py",
    ".json",
    "x" * 300 + ".md",
)


def rewritten(folder: Path, change: dict[str, Any]) -> Path:
    """The folder with other words in its adapter.json, sealed as whoever knows the format can."""
    record = json.loads((folder / RECORD).read_text()) | change
    with contextlib.suppress(UnicodeEncodeError):
        record = seal(record)
    (folder / RECORD).write_text(json.dumps(record))
    return folder


def refused(job: Callable[[], object]) -> None:
    with pytest.raises(FewshotError) as caught:
        job()
    assert caught.value.exit_code in (2, 3, 4, 6)
    assert caught.value.hint


@pytest.mark.parametrize("change", ODD.values(), ids=list(ODD))
def test_odd_records(catalog: Catalog, make: Make, tmp_path: Path, change: dict[str, Any]) -> None:
    intact = make("ink", 1)
    out = export_of(intact, tmp_path)
    packed = read(out)
    odd = json.dumps(json.loads(packed.files[RECORD]) | change).encode()
    rest = {key: value for key, value in packed.manifest.items() if key != "files"}
    out.write_bytes(pack(rest, {**packed.files, RECORD: odd}))
    refused(lambda: import_(catalog, out))
    folder = rewritten(intact, change)
    refused(lambda: add(catalog, folder))
    refused(lambda: load_style(str(folder)))
    assert ls(catalog).total == 0
    assert log(catalog) == []


@pytest.mark.parametrize("name", FILES)
def test_odd_files(catalog: Catalog, make: Make, name: str) -> None:
    folder = make("ink", 1)
    record = json.loads((folder / RECORD).read_text())
    rewritten(folder, {"files": {**record["files"], name: "0" * 64}})
    refused(lambda: add(catalog, folder))
    refused(lambda: load_style(str(folder)))


@pytest.mark.parametrize("word", ["NaN", "Infinity", "1e999", "9" * 30, '"\\u0000"', '"\\ud800"', "[" * 5000])
def test_odd_json(catalog: Catalog, make: Make, word: str) -> None:
    folder = make("ink", 1)
    for name in (RECORD, CONFIG):
        intact = (folder / name).read_text()
        (folder / name).write_text(intact.replace("{", f'{{"odd": {word},', 1))
        refused(lambda: add(catalog, folder))
        (folder / name).write_text(intact)


def test_tensors_that_do_not_fit_are_refused_whoever_sealed_them(catalog: Catalog, make: Make) -> None:
    folder = make("ink", 1)
    record = json.loads((folder / RECORD).read_text())
    data = save({"junk": np.zeros((2, 2), np.float32)})
    (folder / WEIGHTS).write_bytes(data)
    record["files"][WEIGHTS] = sha256(data).hexdigest()
    (folder / RECORD).write_bytes(record_bytes(record))
    with pytest.raises(IntegrityError, match="junk"):
        add(catalog, folder)
    assert ls(catalog).total == 0


@pytest.mark.parametrize("text", ["a\0b", "\udcff"])
def test_text_that_cannot_be_stored_is_refused(text: str) -> None:
    for job in (lambda: Facts(artist=text), lambda: Facts(notes=text), lambda: Consent("granted", by=text)):
        with pytest.raises(UsageError, match="cannot be stored"):
            job()


def export_of(folder: Path, tmp_path: Path) -> Path:
    """A bundle of a folder."""
    source = Catalog(str(tmp_path / "source.db"), str(tmp_path / "source"))
    add(source, folder)
    assert verify(source).problems == ()
    return export(source, "ink", tmp_path / "ink.zip")

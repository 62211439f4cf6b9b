"""Files in a bucket, on a real S3 server on this machine."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fewshot.catalog.adding import add
from fewshot.catalog.changing import rm
from fewshot.catalog.checkout import checkout
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import gc, verify
from fewshot.errors import BadInputError, IntegrityError, UsageError

Make = Callable[..., Path]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A server on loopback with a bucket `styles`."""
    pytest.importorskip("s3fs")
    server_module = pytest.importorskip("moto.server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = server_module.ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in (settings | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).items():
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("styles")
    yield
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.usefixtures("s3")
def test_a_bucket_is_a_root(make: Make, tmp_path: Path, fewshot_home: Path) -> None:
    import s3fs

    db = str(tmp_path / "catalog.db")
    catalog = Catalog(db, "s3://styles/prefix")
    folder = make("ink", 1)
    add(catalog, folder)
    add(catalog, make("pen", 2))
    assert verify(catalog).problems == ()
    out, _ = checkout(catalog, "ink")
    assert (out / "adapter_model.safetensors").read_bytes() == (
        folder / "adapter_model.safetensors"
    ).read_bytes()
    rm(catalog, "pen")
    assert gc(catalog, grace=0).removed > 0
    assert verify(catalog).stray == 0
    fs = s3fs.S3FileSystem()
    # Moved to another bucket: one change of the root.
    fs.mkdir("other")
    fs.copy("styles/prefix", "other/place", recursive=True)
    moved = Catalog(db, "s3://other/place")
    assert verify(moved).problems == ()
    # Damaged in the bucket: named, though the cache still has it; refused when the cache has not.
    target = next(key for key in fs.find("other/place") if fs.size(key) > 1000)
    fs.pipe_file(target, b"x" + fs.cat_file(target)[1:])
    (problem,) = verify(moved).problems
    assert target in problem.file
    cached = fewshot_home / "cache" / "blobs"
    assert cached.is_dir()
    for path in [p for p in cached.rglob("*") if p.is_file()]:
        os.truncate(path, 3)
    with pytest.raises(IntegrityError, match="damaged or changed"):
        checkout(moved, "ink")
    with pytest.raises(BadInputError, match="s3://nowhere"):
        add(Catalog(str(fewshot_home / "other.db"), "s3://nowhere/x"), make("wash", 3))


def test_an_unknown_kind_of_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="gopher"):
        Catalog(str(tmp_path / "catalog.db"), "gopher://x")

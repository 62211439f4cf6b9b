"""A booth on the tiny base with styles of its own, in this process and as a server."""

import io
import os
import re
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image
from skimage import data
from starlette.testclient import TestClient

from fewshot.catalog.adding import add
from fewshot.catalog.store import Catalog
from fewshot.home import run_folder
from fewshot.web.app import create_app
from fewshot.web.settings import Settings

TINY = Settings(base="scan_tiny")


def jpeg(image: Image.Image, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="session")
def astronaut() -> bytes:
    """A half-body portrait, 512x512."""
    return jpeg(Image.fromarray(data.astronaut()))


@pytest.fixture(scope="session")
def portrait() -> bytes:
    """A face that fills its picture."""
    return jpeg(Image.fromarray(data.astronaut()).crop((145, 5, 315, 175)))


@pytest.fixture(scope="session")
def template(small: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.write_template(tmp_path_factory.mktemp("template") / "template")


MakeRun = Callable[..., None]


@pytest.fixture
def make_run(small: ModuleType, template: Path) -> MakeRun:
    """Write a finished run: `make_run("ink", 3)`."""

    def write(name: str, seed: int = 0, **record: object) -> None:
        made = small.write_variant(template, run_folder(name) / name, seed, **record)
        made.rename(run_folder(name) / "adapter")

    return write


@pytest.fixture
def catalogue(small: ModuleType, template: Path, tmp_path: Path) -> Callable[..., Catalog]:
    """This home's catalogue with styles in it: `catalogue("ink", "wash")`."""

    def fill(*names: str) -> Catalog:
        catalog = Catalog()
        for seed, name in enumerate(names):
            folder = small.write_variant(template, tmp_path / secrets.token_hex(4) / name, seed)
            add(catalog, folder)
        return catalog

    return fill


Open = Callable[..., TestClient]


@pytest.fixture
def open_booth() -> Iterator[Open]:
    """A client of a booth in this process: `open_booth(pin="1234")`."""
    opened: list[TestClient] = []

    def start(**settings: Any) -> TestClient:
        client = TestClient(create_app(replace(TINY, **settings)), raise_server_exceptions=False)
        client.__enter__()
        opened.append(client)
        return client

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@dataclass
class Server:
    """A booth as a process."""

    url: str
    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        return "".join(self.lines)


@contextmanager
def serve(*arguments: str, **environment: str) -> Iterator[Server]:
    command = [sys.executable, "-m", "fewshot.cli.main", "web", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=os.environ | environment
    )
    assert process.stderr is not None
    server = Server("", process)
    for line in process.stderr:
        server.lines.append(line)
        if found := re.search(r"open: (https?://\S+)/", line):
            server.url = found.group(1)
            break
    stderr = process.stderr
    threading.Thread(target=lambda: server.lines.extend(stderr), daemon=True).start()
    try:
        assert server.url, server.said
        yield server
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def run_booth() -> Callable[..., object]:
    """`with run_booth("--pin", "1234") as server:`"""
    return serve


@pytest.fixture(scope="session")
def chromium() -> str:
    """Chromium's program; skips where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine: install it to try the booth in a browser")

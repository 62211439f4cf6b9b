"""The makers of bad and odd picture files, a PostgreSQL server, and small adapters."""

import importlib.util
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest


def _load(path: Path) -> ModuleType:
    # tests/ holds no packages, so a helper beside the tests is loaded by its path.
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def makers() -> ModuleType:
    """`tests/fewshot/bad_pictures.py`."""
    return _load(Path(__file__).with_name("bad_pictures.py"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server on this machine, gone after the tests; skips where the wheel is missing."""
    with warnings.catch_warnings():
        # Without XDG_RUNTIME_DIR, platformdirs says where it falls back to.
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pgserver")
        # Not below pytest's folder, which every new session closes to others: root's server is another user.
        with tempfile.TemporaryDirectory() as folder:
            server = pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
            yield server.get_uri()
            server.cleanup()

"""The makers of bad and odd picture files, for every test of what reads pictures."""

import importlib.util
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

"""Fixtures for every test: a home folder of its own, the command line as a process, shared data, soaks."""

import importlib.util
import io
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch

from eval.errors import MissingWeightsError
from eval.weight_files import WeightFile, ways
from fewshot.samples import sample_folder

if not torch.cuda.is_available():
    # Before anything imports Triton: without a GPU its kernels are tested in its interpreter.
    os.environ.setdefault("TRITON_INTERPRET", "1")

ROOT = Path(__file__).resolve().parents[1]
LONGEST = (
    *("test_kills.py", "test_global_batch.py", "test_machines.py", "test_many.py", "test_memory.py"),
    *("test_readme.py", "test_measure.py", "test_processes.py", "test_adapt.py", "test_cli_catalog.py"),
)
"""Files that start first: one that came last would keep one core busy and leave the others idle."""

Cli = Callable[..., subprocess.CompletedProcess[str]]
Drawings = Callable[..., Path]


@dataclass(frozen=True)
class Soak:
    """How long a soak test runs."""

    seed: int
    """First seed; repetition i uses seed + i."""
    count: int
    """Number of repetitions."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; everything else keeps its order."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(autouse=True)
def fewshot_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `FEWSHOT_HOME`, so that no test reads or writes the user's."""
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("FEWSHOT_HOME", str(folder))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    # One precision and device for every test of a process: Accelerate keeps the first it was given.
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared pictures (`FEWSHOT_SHARED`, else `../shared`); skips where there is none."""
    folder = Path(os.environ.get("FEWSHOT_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no shared pictures at {folder}: set FEWSHOT_SHARED")
    return folder


@pytest.fixture(scope="session")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weight file of torch-fidelity's InceptionV3 with seeded random weights, 91 MB."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Blank(FeatureExtractorInceptionV3):
        def load_state_dict(self, *_: object, **__: object) -> None:
            """Keeps what it was built with: the class cannot be built without a file to load."""

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Blank("blank", ["2048"], feature_extractor_weights_path=nothing)
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                # With PyTorch's own start the features of every picture are zero in six digits.
                torch.nn.init.kaiming_normal_(module.weight)
    file = tmp_path_factory.mktemp("weights") / "inception-random.pth"
    torch.save(net.state_dict(), file)
    return file


@pytest.fixture
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weight files are found or missing, but never fetched."""

    def missing(wanted: WeightFile, *_: object) -> None:
        raise MissingWeightsError(f"{wanted.name} is not here", ways(wanted))

    monkeypatch.setattr("eval.weight_files._download", missing)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    """Run `fewshot ARGS...` as a process of its own in `tmp_path`; keywords become environment variables."""

    def run(*args: str | Path, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fewshot.cli.main", *map(str, args)],
            cwd=tmp_path,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def drawings(tmp_path: Path) -> Drawings:
    """`drawings(count, hand)`: a folder of a hand's first sample drawings, quicker than all that ship."""

    def make(count: int = 6, hand: str = "ink") -> Path:
        folder = tmp_path / f"{hand}-{count}"
        folder.mkdir(exist_ok=True)
        for path in sorted(sample_folder(hand).glob("*.webp"))[:count]:
            shutil.copy(path, folder)
        return folder

    return make


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> Soak:
    """Seed and count from `SOAK_SEED` and `SOAK_COUNT`, else 0 and `@pytest.mark.soak(sample=N)`."""
    marker = request.node.get_closest_marker("soak")
    sample = marker.kwargs.get("sample", 3) if marker else 3
    return Soak(int(os.environ.get("SOAK_SEED", "0")), int(os.environ.get("SOAK_COUNT", sample)))


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
    return _load(Path(__file__).parent / "fewshot" / "bad_pictures.py")


@pytest.fixture(scope="session")
def small() -> ModuleType:
    """`tests/fewshot/small_adapters.py`."""
    return _load(Path(__file__).parent / "fewshot" / "small_adapters.py")


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

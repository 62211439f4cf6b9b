"""Weight files: every way to provide one, what is refused, and the hub's own client against a local hub."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from eval import pretrained
from eval.errors import EvalError, MissingWeightsError, WeightsMismatchError
from eval.features import get_extractor
from eval.weight_files import WeightFile, find_weights

NOWHERE = "http://127.0.0.1:9"
"""The discard port: a connection is refused at once."""


def test_absent_inception_weights_name_every_way(
    fewshot_home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unreachable = replace(pretrained.INCEPTION, url=f"{NOWHERE}/weights.pth")
    monkeypatch.setattr(pretrained, "INCEPTION", unreachable)
    with pytest.raises(MissingWeightsError) as caught:
        get_extractor("inception")
    folder = fewshot_home / "cache" / "weights"
    kept = str(folder / unreachable.name)
    for way in ("--weights FILE", kept, "FEWSHOT_HOME", f"{NOWHERE}/weights.pth", str(unreachable.sha256)):
        assert way in caught.value.hint
    assert not list(folder.iterdir())
    with pytest.raises(MissingWeightsError, match="nowhere"):
        get_extractor("squeezenet", weights=tmp_path / "nowhere")


def test_downloads_are_checked_and_kept(tmp_path: Path) -> None:
    source = tmp_path / "w.bin"
    source.write_bytes(b"weights")
    wanted = WeightFile("w.bin", source.as_uri(), hashlib.sha256(b"weights").hexdigest())
    kept = find_weights(wanted)
    source.unlink()
    assert find_weights(wanted) == kept
    assert kept.read_bytes() == b"weights"
    kept.write_bytes(b"weightz")
    with pytest.raises(WeightsMismatchError, match="expected"):
        find_weights(wanted)
    kept.unlink()
    source.write_bytes(b"other")
    with pytest.raises(WeightsMismatchError, match="download"):
        find_weights(wanted)
    assert not list(kept.parent.iterdir())


def test_a_file_of_ones_own_is_used_when_its_sha256_is_said(tmp_path: Path) -> None:
    own = tmp_path / "own.bin"
    own.write_bytes(b"own")
    found = hashlib.sha256(b"own").hexdigest()
    known = WeightFile("w.bin", sha256="0" * 64)
    with pytest.raises(WeightsMismatchError, match=f"has sha256 {found}; expected 0000") as caught:
        find_weights(known, own)
    assert f"--sha256 {found}" in caught.value.hint
    assert find_weights(known.pinned(found.upper()), own) == own
    assert find_weights(WeightFile("w.bin"), own) == own
    with pytest.raises(WeightsMismatchError, match="expected 1111"):
        find_weights(WeightFile("w.bin").pinned("1" * 64), own)
    for wrong in ("", "abc", "g" * 64):
        with pytest.raises(EvalError, match="64 hexadecimal"):
            known.pinned(wrong)


def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    file, marker = tmp_path / "evil.pth", tmp_path / "ran"
    torch.save({"x": _Evil(marker)}, file)
    pin = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(WeightsMismatchError, match="not a readable weight file"):
        get_extractor("inception", weights=file, sha256=pin)
    assert not marker.exists()


class _Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.marker,))


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A hub on this machine that serves the files of a folder, and that folder."""
    folder = tmp_path / "hub"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def end_headers(self) -> None:
            name = self.path.rpartition("/")[2]
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("ETag", f'"{hashlib.sha256(name.encode()).hexdigest()}"')
            super().end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


_ASK = """
import sys
from eval.errors import EvalError
from eval.features import get_extractor
try:
    print(get_extractor("timm:test_resnet", sha256=sys.argv[1] if sys.argv[1:] else None).sha256)
except EvalError as error:
    print(type(error).__name__, error, error.hint)
"""


def _ask(endpoint: str, cache: Path, *arguments: str) -> str:
    """What the extractor is called by a process whose hub is `endpoint`; its client reads that only once."""
    environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", _ASK, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


def test_timm_weights_come_from_the_hub_and_are_kept(hub: tuple[str, Path], tmp_path: Path) -> None:
    endpoint, folder = hub
    model = timm.create_model("test_resnet", pretrained=False)
    files = folder / model.pretrained_cfg["hf_hub_id"] / "resolve" / "main"
    files.mkdir(parents=True)
    save_file(model.state_dict(), files / "model.safetensors")
    pin = hashlib.sha256((files / "model.safetensors").read_bytes()).hexdigest()
    cache = tmp_path / "hf"
    assert _ask(endpoint, cache) == pin
    # The second time nobody is asked, and the kept file is checked as well.
    assert f"has sha256 {pin}; expected 000" in _ask(NOWHERE, cache, "0" * 64)


def test_a_hub_out_of_reach_is_said_at_once_with_the_ways(tmp_path: Path) -> None:
    answer = _ask(NOWHERE, tmp_path / "hf")
    assert answer.startswith("MissingWeightsError timm-test_resnet.safetensors")
    for way in ("--weights FILE", "FEWSHOT_HOME", "https://huggingface.co/timm/test_resnet"):
        assert way in answer

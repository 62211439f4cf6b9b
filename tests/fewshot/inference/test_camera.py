"""A camera, for which a video stands in: OpenCV opens both alike."""

import contextlib
import io
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from base_models.arrays import load_arrays
from fewshot.cli.main import app
from fewshot.errors import BadInputError, ConflictError, NotFoundError, UsageError
from fewshot.inference.camera import Camera, stylize_camera
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.inference.video import FrameDrawer
from fewshot.inference.video_files import Frame, VideoReader


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=100, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for number in range(200):
            pixels = np.full((96, 128, 3), number, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    return path


@pytest.fixture
def drawer() -> FrameDrawer:
    return FrameDrawer(OnnxEngine(load_arrays("scan_tiny")), CascadeDetector())


def test_the_newest_picture_comes_and_late_ones_are_dropped(clip: Path) -> None:
    with contextlib.closing(Camera(str(clip))) as camera:
        frames = []
        for frame in camera:
            frames.append(frame)
            time.sleep(0.02)
    shown = [int(frame.pixels.mean()) for frame in frames]
    assert shown == sorted(shown)
    assert shown[-1] > 190
    assert len(frames) < 150
    assert frames[0].time == 0
    assert all(a.time < b.time for a, b in itertools.pairwise(frames))
    assert camera.problem == "the camera has ended"


def test_it_is_recorded_as_long_as_it_took(clip: Path, drawer: FrameDrawer, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = stylize_camera(str(clip), out, drawer)
    frames = [item for item in VideoReader(out) if isinstance(item, Frame)]
    assert len(frames) == result.frames > 1
    assert [frame.time for frame in frames] == sorted({frame.time for frame in frames})


def test_what_stands_in_for_a_camera_is_not_overwritten(clip: Path, drawer: FrameDrawer) -> None:
    before = clip.read_bytes()
    with pytest.raises(ConflictError, match="is the video itself"):
        stylize_camera(str(clip), clip, drawer, overwrite=True)
    assert clip.read_bytes() == before


def test_no_camera_is_said(drawer: FrameDrawer, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="camera 99999999999"):
        stylize_camera("99999999999", tmp_path / "out.mp4", drawer)
    with pytest.raises(NotFoundError, match="camera 87"):
        stylize_camera("87", tmp_path / "out.mp4", drawer)
    with pytest.raises(UsageError, match="written as"):
        stylize_camera("0", tmp_path / "out.png", drawer)
    (tmp_path / "there.mp4").write_bytes(b"mine")
    with pytest.raises(ConflictError):
        stylize_camera("0", tmp_path / "there.mp4", drawer)
    assert not (tmp_path / "out.mp4").exists()


def test_a_camera_without_pictures_is_said(
    clip: Path, drawer: FrameDrawer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.mp4"
    whole = clip.read_bytes()
    # The index without what it points at: opens, and has no picture.
    broken.write_bytes(whole.replace(whole[whole.index(b"mdat") :][:4000], bytes(4000), 1))
    with pytest.raises((BadInputError, NotFoundError), match="camera"):
        stylize_camera(str(broken), tmp_path / "out.mp4", drawer)
    assert not (tmp_path / "out.mp4").exists()


def command(*args: str | Path) -> list[str]:
    return [sys.executable, "-m", "fewshot.cli.main", "stylize", *map(str, args), "--base", "scan_tiny"]


def test_the_stream_can_be_played(clip: Path) -> None:
    done = subprocess.run(command(clip, "--live", "-o", "-"), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    with av.open(io.BytesIO(done.stdout), "r") as file:
        assert len(list(file.decode(video=0))) > 1
    assert b"frames drawn" in done.stderr


def test_a_player_that_is_closed_ends_it(clip: Path) -> None:
    process = subprocess.Popen(
        command(clip, "--live", "-o", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(100)
    process.stdout.close()
    errors = process.stderr.read().decode()
    process.wait(30)
    assert process.returncode == 0, errors
    assert "error" not in errors


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for children")
def test_ctrl_c_is_the_proper_end(tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    with av.open(str(long), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "40"})
        stream.height, stream.width, stream.pix_fmt = 480, 640, "yuv420p"
        for number in range(1500):
            pixels = np.full((480, 640, 3), number % 256, np.uint8)
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    out = tmp_path / "out.mp4"
    process = subprocess.Popen(
        command(long, "--live", "-o", out), stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*out*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors.decode()
    assert sum(isinstance(item, Frame) for item in VideoReader(out)) > 0


def test_seconds_end_it_and_need_a_camera(clip: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    out = tmp_path / "out.mp4"
    done = runner.invoke(
        app,
        ["stylize", str(clip), "--live", "--seconds", "0.1", "-o", str(out), "--base", "scan_tiny"],
    )
    assert done.exit_code == 0, done.output
    wrong = runner.invoke(
        app, ["stylize", str(clip), "--seconds", "1", "-o", str(out), "--base", "scan_tiny", "--overwrite"]
    )
    assert wrong.exit_code == 2
    assert "--live" in wrong.output

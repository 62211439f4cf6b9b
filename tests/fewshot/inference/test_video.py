"""Videos: every frame at its time, the sound as it was, and whole files whatever happens."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from base_models.arrays import load_arrays
from eval.temporal import drift, warping_error
from fewshot.cli.main import app
from fewshot.errors import BadInputError, ConflictError, Interrupted, NotFoundError, UsageError
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.inference.video import FrameDrawer, stylize_video
from fewshot.inference.video_files import Frame, VideoReader
from fewshot.inference.video_writer import VideoWriter

Pixels = NDArray[np.uint8]


@pytest.fixture(scope="module")
def engine() -> OnnxEngine:
    return OnnxEngine(load_arrays("scan_tiny"))


@pytest.fixture
def drawer(engine: OnnxEngine) -> FrameDrawer:
    return FrameDrawer(engine, CascadeDetector())


def numbered(count: int, height: int = 96, width: int = 128) -> list[Pixels]:
    """Frames that tell their number: a bar whose place is the number."""
    frames = []
    for number in range(count):
        frame = np.full((height, width, 3), 40, np.uint8)
        frame[:, 4 * number : 4 * number + 4] = (250, 240, 90)
        frames.append(frame)
    return frames


def make_video(
    path: Path, frames: list[Pixels], times: list[Fraction] | None = None, *, sound: bool = False
) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        tone = file.add_stream("aac", rate=44_100) if sound else None
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            time = times[number] if times else Fraction(number, 25)
            frame.pts, frame.time_base = int(time * 1000), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if tone is not None:
            wave = np.sin(np.arange(44_100 * len(frames) // 25) / 20).astype(np.float32)[None]
            samples = av.AudioFrame.from_ndarray(np.repeat(wave, 2, 0), format="fltp", layout="stereo")
            samples.sample_rate = 44_100
            resampler = av.AudioResampler(format="fltp", layout="stereo", rate=44_100, frame_size=1024)
            for part in [*resampler.resample(samples), *resampler.resample(None)]:
                file.mux(tone.encode(part))
            file.mux(tone.encode(None))
    return path


def read(path: Path) -> list[Frame]:
    return [item for item in VideoReader(path) if isinstance(item, Frame)]


def bar_of(pixels: Pixels) -> int:
    return int(pixels[..., 0].astype(int).mean(0).reshape(-1, 4).mean(1).argmax())


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".gif"])
def test_every_frame_is_there_once_in_order(tmp_path: Path, drawer: FrameDrawer, suffix: str) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(24))
    result = stylize_video(source, tmp_path / f"out{suffix}", drawer)
    assert (result.frames, result.size, result.problem) == (24, (128, 96), "")
    frames = read(tmp_path / f"out{suffix}")
    # No face, and the rest is kept: what comes out is what went in.
    assert [bar_of(frame.pixels) for frame in frames] == list(range(24))
    slack = 0.006 if suffix == ".gif" else 0.001
    for number, frame in enumerate(frames):
        assert float(frame.time) == pytest.approx(number / 25, abs=slack)


def test_uneven_times_and_odd_sizes_are_kept(tmp_path: Path, drawer: FrameDrawer) -> None:
    times = [Fraction(t, 1000) for t in (0, 40, 55, 200, 260, 900)]
    source = make_video(tmp_path / "in.mp4", numbered(6), times)
    stylize_video(source, tmp_path / "out.mp4", drawer)
    found = [float(frame.time) for frame in read(tmp_path / "out.mp4")]
    assert found == pytest.approx([float(time) for time in times], abs=2e-3)
    reader = VideoReader(source)
    writer = VideoWriter(tmp_path / "odd", reader, ".mp4")
    for number in range(3):
        writer.write(Frame(np.full((33, 47, 3), 60 * number, np.uint8), Fraction(number, 25)))
    writer.close()
    assert [frame.pixels.shape for frame in read(tmp_path / "odd")] == [(34, 48, 3)] * 3


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mkv"])
@pytest.mark.parametrize("side", [128, 1280])
def test_colours_are_those_of_bt_709_and_say_so(tmp_path: Path, suffix: str, side: int) -> None:
    """Small ones too: untagged, a player guesses by the size."""
    colours = np.array([(201, 30, 30), (29, 200, 29), (220, 180, 150), (40, 60, 200)], np.uint8)
    frame = np.repeat(np.repeat(colours[None], side // 4, 1), 96, 0)
    writer = VideoWriter(tmp_path / "out", VideoReader(make_video(tmp_path / "in.mp4", numbered(1))), suffix)
    for number in range(3):
        writer.write(Frame(frame, Fraction(number, 25)))
    writer.close()
    with av.open(str(tmp_path / "out")) as file:
        drawn = next(file.decode(video=0))
    assert (drawn.colorspace, drawn.color_range) == (1, 1)
    luma = drawn.to_ndarray()[:96]
    # Rec. ITU-R BT.709, items 3.2 and 4.6.
    expected = 16 + 219 / 255 * (colours @ np.array([0.2126, 0.7152, 0.0722]))
    middles = luma[48, side // 8 :: side // 4].astype(float)
    assert middles == pytest.approx(expected, abs=2)
    (shown, *_) = read(tmp_path / "out")
    assert np.abs(shown.pixels[48, side // 8 :: side // 4].astype(int) - colours).max() <= 6


@pytest.mark.parametrize("name", ["hdr.mp4", "plain.mp4"])
def test_hdr_is_told(
    tmp_path: Path, drawer: FrameDrawer, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """HLG, as phones record it: a tag is all that tells it."""
    source = tmp_path / name
    with av.open(str(source), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.color_trc = 18 if name == "hdr.mp4" else 1
        for pixels in numbered(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    stylize_video(source, tmp_path / "out.mp4", drawer)
    assert ("HDR" in capsys.readouterr().err) == (name == "hdr.mp4")


def test_an_avi_with_frames_stored_out_of_order_keeps_its_times(tmp_path: Path, drawer: FrameDrawer) -> None:
    """H.264 with B-frames: AVI has no times but the order of storage."""
    with av.open(str(tmp_path / "in.avi"), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "10", "bf": "3"})
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        for pixels in numbered(16):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    stylize_video(tmp_path / "in.avi", tmp_path / "out.mp4", drawer)
    frames = read(tmp_path / "out.mp4")
    assert [bar_of(frame.pixels) for frame in frames] == list(range(16))
    assert [float(frame.time) for frame in frames] == pytest.approx(
        [number / 25 for number in range(16)], abs=1e-3
    )


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_cut_out_that_starts_later_starts_at_nothing(
    tmp_path: Path, drawer: FrameDrawer, suffix: str
) -> None:
    whole = make_video(tmp_path / "in.mp4", numbered(20), sound=True)
    later = tmp_path / "later.mkv"
    with av.open(str(whole)) as source, av.open(str(later), "w") as file:
        streams = {one.index: file.add_stream_from_template(one) for one in source.streams}
        for packet in source.demux():
            if packet.dts is None or packet.pts is None:
                continue
            packet.pts += round(100 / packet.time_base)
            packet.dts += round(100 / packet.time_base)
            packet.stream = streams[packet.stream.index]
            file.mux(packet)
    target = tmp_path / f"out{suffix}"
    stylize_video(later, target, drawer)
    times = [float(frame.time) for frame in read(target)]
    assert times == pytest.approx([number / 25 for number in range(20)], abs=0.03)
    with av.open(str(target)) as file:
        assert (file.duration or 0) / av.time_base < 1.5
        assert next(file.decode(audio=0)).time == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("background", "code"), [("keep", 3), ("plain", 3), ("stylize", 0)])
def test_a_video_in_which_nothing_was_drawn_is_told(tmp_path: Path, background: str, code: int) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(3))
    command = ["stylize", str(source), "--base", "scan_tiny", "-o", str(tmp_path / "out.mp4")]
    ended = CliRunner().invoke(app, [*command, "--background", background])
    assert ended.exit_code == code, ended.output
    assert ("--background stylize" in ended.stderr) == (code == 3)


@pytest.mark.parametrize(("suffix", "kind"), [(".mp4", "aac"), (".webm", "opus")])
def test_sound_stays(tmp_path: Path, drawer: FrameDrawer, suffix: str, kind: str) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(25), sound=True)
    out = tmp_path / f"out{suffix}"
    stylize_video(source, out, drawer)

    def sound(path: Path) -> tuple[str, NDArray[np.float32]]:
        with av.open(str(path)) as file:
            stream = file.streams.audio[0]
            parts = [frame.to_ndarray()[:1].ravel() for frame in file.decode(stream)]
            return stream.codec_context.name, np.concatenate(parts)

    before, after = sound(source), sound(out)
    assert after[0] == kind
    if kind == "aac":
        assert np.array_equal(before[1], after[1])
    else:
        assert len(after[1]) / 48_000 == pytest.approx(len(before[1]) / 44_100, abs=0.1)
        assert np.abs(after[1]).mean() == pytest.approx(np.abs(before[1]).mean(), rel=0.2)


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_phone_held_upright_gives_upright_frames(tmp_path: Path, drawer: FrameDrawer, turn: int) -> None:
    """The display matrix of MP4's track header, as phones write it; ffmpeg's own filter is the reference."""
    source = make_video(tmp_path / "in.mp4", numbered(4))
    content = bytearray(source.read_bytes())
    one = 0x00010000
    matrices = {90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}
    a, b, c, d = matrices[turn]
    at = content.index(b"tkhd") + 4 + 40
    for offset, value in ((0, a), (4, b), (12, c), (16, d)):
        content[at + offset : at + offset + 4] = value.to_bytes(4, "big", signed=True)
    source.write_bytes(content)
    stylize_video(source, tmp_path / "out.mp4", drawer)
    (first, *_) = read(tmp_path / "out.mp4")
    # Turned clockwise by the angle that the matrix says.
    expected = np.rot90(numbered(1)[0], -turn // 90)
    assert first.pixels.shape == expected.shape
    assert np.abs(first.pixels.astype(int) - expected).mean() < 8


def test_a_truncated_file_ends_playable_and_says_so(tmp_path: Path) -> None:
    source = make_video(tmp_path / "in.mkv", numbered(30))
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 2 // 3])
    done = CliRunner().invoke(
        app, ["stylize", str(source), "--base", "scan_tiny", "-o", str(tmp_path / "out.mp4")]
    )
    assert done.exit_code in (0, 3)
    frames = read(tmp_path / "out.mp4")
    assert 5 < len(frames) < 30
    assert [bar_of(frame.pixels) for frame in frames] == list(range(len(frames)))


def test_damage_in_the_middle_leaves_what_came_before(tmp_path: Path, drawer: FrameDrawer) -> None:
    rng = np.random.default_rng(0)
    source = make_video(
        tmp_path / "in.mp4", [rng.integers(0, 256, (96, 128, 3), np.uint8) for _ in range(20)]
    )
    content = bytearray(source.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = rng.integers(0, 256, 4000, np.uint8).tobytes()
    source.write_bytes(content)
    result = stylize_video(source, tmp_path / "out.mp4", drawer)
    assert result.frames == len(read(tmp_path / "out.mp4")) >= 3


def test_an_interrupted_run_leaves_a_whole_file(tmp_path: Path, drawer: FrameDrawer) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(30))

    def stop(done: int, total: int) -> None:
        assert total == 30
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"12 frames, which are in .*out\.mp4"):
        stylize_video(source, tmp_path / "out.mp4", drawer, on_frame=stop)
    assert len(read(tmp_path / "out.mp4")) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_the_last_frame_is_shown_as_long_as_it_was(tmp_path: Path, drawer: FrameDrawer) -> None:
    pictures = [Image.fromarray(pixels) for pixels in numbered(3)]
    source = tmp_path / "in.gif"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=[100, 100, 2000])
    for suffix in (".gif", ".mp4"):
        stylize_video(source, tmp_path / f"out{suffix}", drawer)
        with av.open(str(tmp_path / f"out{suffix}")) as file:
            assert (file.duration or 0) / 1e6 == pytest.approx(2.2, abs=0.05)


def test_a_fast_video_becomes_a_gif_that_browsers_do_not_slow_down(
    tmp_path: Path, drawer: FrameDrawer
) -> None:
    times = [Fraction(n, 60) for n in range(24)]
    source = make_video(tmp_path / "in.mp4", numbered(24), times)
    stylize_video(source, tmp_path / "out.gif", drawer)
    found = [float(frame.time) for frame in read(tmp_path / "out.gif")]
    assert min(np.diff(found)) >= 0.0199
    assert found[-1] == pytest.approx(23 / 60, abs=0.03)


def test_pixels_that_are_not_square_stay_so(tmp_path: Path, drawer: FrameDrawer) -> None:
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 128, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for pixels in numbered(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))
    stylize_video(source, tmp_path / "out.mp4", drawer)
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(16, 11)


def test_the_input_is_never_replaced_and_the_output_is_for_everybody(
    tmp_path: Path, drawer: FrameDrawer
) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(2))
    with pytest.raises(ConflictError, match="the video itself"):
        stylize_video(source, source, drawer, overwrite=True)
    stylize_video(source, tmp_path / "out.mp4", drawer)
    (tmp_path / "plain").touch()
    assert (tmp_path / "out.mp4").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "options", [["--sweep"], ["--resume"], ["--whole"], ["--size", "64"], ["--crop", "face"]]
)
def test_options_of_pictures_are_refused_for_videos(tmp_path: Path, options: list[str]) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(2))
    command = ["stylize", str(source), "--base", "scan_tiny", "-o", str(tmp_path / "out.mp4"), *options]
    done = CliRunner().invoke(app, command)
    assert (done.exit_code, "a video takes no" in done.output) == (2, True)


def test_mistakes(tmp_path: Path, drawer: FrameDrawer) -> None:
    source = make_video(tmp_path / "in.mp4", numbered(2))
    with pytest.raises(UsageError, match=r"\.mp4, \.webm, \.gif"):
        stylize_video(source, tmp_path / "out.avi", drawer)
    with pytest.raises(ConflictError):
        stylize_video(source, make_video(tmp_path / "there.mp4", numbered(2)), drawer)
    (tmp_path / "text.mp4").write_text("no video")
    for name, error in (("text.mp4", BadInputError), ("none.mp4", NotFoundError)):
        with pytest.raises(error, match=name):
            stylize_video(tmp_path / name, tmp_path / "out.mp4", drawer)
    assert not (tmp_path / "out.mp4").exists()
    two = CliRunner().invoke(app, ["stylize", str(source), str(source), "--base", "scan_tiny", "-o", "x.mp4"])
    assert (two.exit_code, "drawn alone" in two.output) == (2, True)


def test_without_pyav_the_extra_is_named(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['av'] = None\nfrom fewshot.cli.main import run\n"
        f"sys.argv = ['fewshot', 'stylize', {str(tmp_path / 'a.mp4')!r}, '--base', 'scan_tiny']\n"
        "sys.argv += ['-o', 'b.mp4']\nrun()"
    )
    (tmp_path / "a.mp4").write_bytes(b"")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "fewshot-style[video]" in done.stderr


def test_memory_does_not_grow_with_the_video(tmp_path: Path, drawer: FrameDrawer) -> None:
    import tracemalloc

    source = make_video(tmp_path / "in.mp4", numbered(30) * 4)
    peaks = []

    def look(done: int, total: int) -> None:
        if done in (20, 110):
            peaks.append(tracemalloc.get_traced_memory()[0])

    tracemalloc.start()
    stylize_video(source, tmp_path / "out.mp4", drawer, on_frame=look)
    tracemalloc.stop()
    assert peaks[1] < peaks[0] + 2_000_000


def test_a_shaking_portrait_is_steadied_without_blur(engine: OnnxEngine) -> None:
    """A face that moves a little, with the noise of a camera: steadier than frame by frame, and no other."""
    rng = np.random.default_rng(0)
    face = np.asarray(Image.fromarray(data.astronaut()[:256, 96:352]).resize((240, 240)))
    photos = []
    for number in range(12):
        moved = np.roll(face, (number // 2, number), (0, 1))
        photos.append(np.clip(moved + rng.normal(0, 5, moved.shape), 0, 255).astype(np.uint8))
    base = OnnxEngine(load_arrays("scan_128.anime"))
    steady, plain = (
        [drawer.draw(photo, n / 30) for n, photo in enumerate(photos)]
        for drawer in (FrameDrawer(base, CascadeDetector(), "stylize", s) for s in (True, False))
    )
    assert warping_error(photos, steady).warping_error < 0.7 * warping_error(photos, plain).warping_error
    assert drift(steady, plain) < 0.15

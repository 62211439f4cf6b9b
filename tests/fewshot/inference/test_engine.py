"""Both engines: shapes, determinism, blends, the base they belong to, and each other's pictures."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image

from base_models.arrays import load_arrays
from base_models.registry import create_model
from fewshot.adapters.adapter import Adapter
from fewshot.adapters.attach import METHODS
from fewshot.errors import IntegrityError, UsageError
from fewshot.inference.engine import Engine, EngineKind, load_blend, open_engine
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.inference.torch_engine import TorchEngine

MakeStyle = Callable[..., Adapter]
Pictures = NDArray[np.uint8]

KINDS: tuple[EngineKind, ...] = ("onnx", "torch")
PARITY = 2
"""Most that two engines may differ in a pixel, of 255."""


def named(kind: EngineKind, styles: list[str], base: str | None = None) -> Engine:
    return open_engine(*load_blend(styles, base), kind)


def apart(first: Pictures, second: Pictures) -> int:
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max(initial=0))


@pytest.fixture
def images() -> Pictures:
    """Ten random pictures of the tiny model's size."""
    return np.random.default_rng(3).integers(0, 256, (10, 3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def astronaut() -> Pictures:
    """A portrait `(1, 3, 200, 200)`."""
    return np.asarray(skimage.data.astronaut()[:200, 130:330], np.uint8).transpose(2, 0, 1)[None]


@pytest.mark.parametrize("kind", KINDS)
def test_a_style_at_zero_is_the_base(make_style: MakeStyle, images: Pictures, kind: EngineKind) -> None:
    make_style("ink")
    base = named(kind, [], "scan_tiny").stylize(images)
    assert np.array_equal(named(kind, ["ink:0"]).stylize(images), base)
    assert not np.array_equal(named(kind, ["ink"]).stylize(images), base)


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_draws_what_the_network_draws(images: Pictures, kind: EngineKind) -> None:
    model = create_model("scan_tiny")
    with torch.inference_mode():
        drawn = model.netG_A(torch.from_numpy(images).float() / 127.5 - 1)
    expected = ((drawn + 1) * 127.5).round().to(torch.uint8).numpy()
    ours = named(kind, [], "scan_tiny").stylize(images)
    assert apart(ours, expected) <= 1
    assert ours.std() > 1


@pytest.mark.parametrize("method", METHODS)
def test_engines_agree_on_every_method(make_style: MakeStyle, images: Pictures, method: str) -> None:
    make_style("ink", method=method)
    make_style("oil", seed=2)
    for styles in (["ink"], ["ink:1.6"], ["ink:0.6", "oil:0.7"]):
        onnx, plain = (named(kind, styles).stylize(images) for kind in KINDS)
        assert apart(onnx, plain) <= PARITY


@pytest.mark.parametrize("base", ["scan_128.anime", "scan_256.anime", "scan_64"])
def test_engines_agree_on_real_pictures_of_every_shape(astronaut: Pictures, base: str) -> None:
    onnx, plain = (named(kind, [], base) for kind in KINDS)
    pictures = [astronaut, astronaut[:, :, ::-1, ::-1], astronaut[:, :, :120], astronaut[..., :90]]
    noise = np.random.default_rng(1).integers(0, 256, astronaut.shape, dtype=np.uint8)
    # Not one colour alone, or hardly two: InstanceNorm divides rounding errors by next to nothing there.
    faint = (9 * (np.arange(200)[:, None] // 50 + np.arange(200) // 40)).astype(np.uint8)
    soft = [np.broadcast_to(faint + grey, astronaut.shape) for grey in (0, 100, 190)]
    for picture in [*pictures, noise, *soft]:
        assert apart(onnx.stylize(picture), plain.stylize(picture)) <= PARITY


@pytest.mark.parametrize("kind", KINDS)
def test_blending_is_independent_of_the_order(
    make_style: MakeStyle, images: Pictures, kind: EngineKind
) -> None:
    make_style("ink", seed=1)
    make_style("oil", seed=2)
    one, other = (named(kind, styles) for styles in (["ink:0.6", "oil:0.4"], ["oil:0.4", "ink:0.6"]))
    assert np.array_equal(one.stylize(images), other.stylize(images))
    assert not np.array_equal(one.stylize(images), named(kind, ["ink:0.6"]).stylize(images))
    assert one.styles == (("ink", 0.6), ("oil", 0.4))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_pictures_give_the_same_drawings(
    make_style: MakeStyle, images: Pictures, kind: EngineKind
) -> None:
    make_style("ink")
    engine = named(kind, ["ink"])
    assert np.array_equal(engine.stylize(images), engine.stylize(images))
    assert np.array_equal(engine.stylize(images), named(kind, ["ink"]).stylize(images))


def test_a_switch_is_a_new_engine(make_style: MakeStyle, images: Pictures) -> None:
    ink, oil = make_style("ink", seed=1), make_style("oil", seed=2)
    withdrawn = make_style("gone", seed=3, consent="withdrawn")
    base = load_arrays("scan_tiny")
    engine = OnnxEngine(base, [(ink, 1.0)])
    engine.switch([(oil, 0.5)])
    assert np.array_equal(engine.stylize(images), OnnxEngine(base, [(oil, 0.5)]).stylize(images))
    with pytest.raises(IntegrityError, match="withdrawn"):
        engine.switch([(withdrawn, 1.0)])
    assert engine.styles == (("oil", 0.5),)
    engine.switch([])
    assert np.array_equal(engine.stylize(images), OnnxEngine(base).stylize(images))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(32, 32, (32, 32)), (100, 100, (32, 32)), (20, 20, (32, 32)), (64, 128, (32, 64)), (90, 64, (48, 32))],
)
def test_pictures_are_brought_to_the_models_size(
    kind: EngineKind, height: int, width: int, expected: tuple[int, int]
) -> None:
    drawn = named(kind, [], "scan_tiny").stylize(np.zeros((1, 3, height, width), np.uint8))
    assert drawn.dtype == np.uint8
    assert tuple(drawn.shape[2:]) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_no_picture_gives_no_drawing(kind: EngineKind) -> None:
    drawn = named(kind, [], "scan_tiny").stylize(np.zeros((0, 3, 32, 32), np.uint8))
    assert drawn.shape == (0, 3, 32, 32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("images", [np.zeros((1, 3, 32, 32)), np.zeros((3, 32, 32), np.uint8)], ids=str)
def test_other_types_and_shapes_are_refused(kind: EngineKind, images: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        named(kind, [], "scan_tiny").stylize(images)


def test_styles_of_two_bases_cannot_be_blended(make_style: MakeStyle) -> None:
    make_style("ink")
    make_style("oil", base_name="scan_128")
    with pytest.raises(IntegrityError, match=r"ink to scan_tiny, oil to scan_128") as caught:
        load_blend(["ink", "oil"], None)
    assert caught.value.exit_code == 6


@pytest.mark.parametrize("kind", KINDS)
def test_a_given_base_must_be_that_of_the_style(make_style: MakeStyle, kind: EngineKind) -> None:
    make_style("ink")
    with pytest.raises(IntegrityError, match="belongs to the base scan_tiny") as caught:
        named(kind, ["ink"], "scan_128")
    assert "--base scan_tiny" in caught.value.hint


def test_neither_style_nor_base_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no style and no base"):
        load_blend([], None)


@pytest.mark.parametrize("kind", KINDS)
def test_withdrawn_consent_stops_the_engine_too(make_style: MakeStyle, kind: EngineKind) -> None:
    adapter = make_style("ink", consent="withdrawn")
    with pytest.raises(IntegrityError, match="consent is withdrawn"):
        open_engine(load_arrays("scan_tiny"), [(adapter, 0.0)], kind)


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_is_not_here_is_named(kind: EngineKind) -> None:
    with pytest.raises(UsageError, match="--device coreml") as caught:
        open_engine(load_arrays("scan_64"), (), kind, device="coreml")
    assert "--device cpu" in caught.value.hint


def test_a_network_in_memory_draws_as_its_file_does(images: Pictures) -> None:
    drawn = TorchEngine(create_model("scan_tiny")).stylize(images)
    assert np.array_equal(drawn, named("torch", [], "scan_tiny").stylize(images))


def test_drawing_loads_no_torch(tmp_path: Path) -> None:
    """The command itself, with a trained base: torch costs seconds and hundreds of megabytes."""
    photo, out = tmp_path / "face.png", tmp_path / "out.png"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    code = (
        "import sys\nfrom fewshot.cli.main import run\n"
        f"sys.argv = ['fewshot', 'stylize', {str(photo)!r}, '--base', 'scan_128.anime', '--crop', 'face',"
        f" '-o', {str(out)!r}]\n"
        "try:\n    run()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules}"
        " & {'torch', 'peft', 'timm', 'sklearn', 'faiss', 'scipy', 'skimage', 'sqlalchemy'}))\n"
    )
    environment = dict(os.environ, FEWSHOT_HOME=str(tmp_path / "home"))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == "[]"
    assert Image.open(out).size == (128, 128)


def test_drawing_sends_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """ONNX Runtime's telemetry keeps a session file and the machine's identifier where it may run."""
    script = (
        "import fewshot; from base_models.arrays import load_arrays; "
        "from fewshot.inference.onnx_engine import OnnxEngine; import numpy as np; "
        "OnnxEngine(load_arrays('scan_tiny')).draw(np.zeros((1, 3, 32, 32), np.uint8))"
    )
    folders = {name: str(tmp_path / name) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    for folder in folders.values():
        Path(folder).mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    # A CI variable keeps it quiet as well, which would make this test pass for another reason.
    environment = {k: v for k, v in environment.items() if k not in ("CI", "PYTEST_CURRENT_TEST")}
    subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment | folders, check=True, timeout=60
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

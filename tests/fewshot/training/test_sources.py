"""Source photos."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.data import astronaut

from base_models.registry import create_model
from fewshot.data.style_set import StyleSet
from fewshot.inference.framing import frame
from fewshot.samples import sample_folder, snapshot_folder
from fewshot.training.sources import make_sources


@pytest.fixture(scope="module")
def drawings() -> tuple[StyleSet, StyleSet | None]:
    size = create_model("scan_tiny").netG_A.size
    return StyleSet.from_folder(sample_folder("flat"), size=size).split(0.25)


def test_photos_are_cut_about_faces(
    drawings: tuple[StyleSet, StyleSet | None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A face that fills a tenth of a photo is to be learned from like one that fills a selfie."""
    photo = Image.new("RGB", (1200, 800), (90, 120, 90))
    photo.paste(Image.fromarray(astronaut()).resize((640, 640)), (540, 150))
    photo.save(tmp_path / "1.png")
    # The first of so few is kept for validation.
    Image.new("RGB", (300, 200), "grey").save(tmp_path / "0.png")
    base = create_model("scan_tiny")
    first = make_sources(base, *drawings, tmp_path).photos[0].permute(1, 2, 0).numpy()
    size = len(first)
    wanted = frame(Image.open(tmp_path / "1.png")).image.resize((size, size), Image.Resampling.LANCZOS)
    assert np.abs(first.astype(int) - np.asarray(wanted)).mean() < 2
    assert f"{tmp_path}: no face was found in 1 of 2 photos" in capsys.readouterr().err


def test_without_photos_they_are_pseudo_photos_and_snapshots(drawings: tuple[StyleSet, StyleSet]) -> None:
    base, (train, fold) = create_model("scan_tiny"), drawings
    sources = make_sources(base, train, fold, None)
    count = len(list(snapshot_folder().iterdir()))
    assert sources.made == len(train)
    assert torch.equal(sources.photos[: sources.made], sources.pairs)
    assert len(sources.photos) == len(train) + count - 24
    assert len(sources.held) == len(fold) + 24
    seen = {photo.numpy().tobytes() for photo in sources.photos}
    assert not seen & {photo.numpy().tobytes() for photo in sources.held}
    assert "snapshots" in sources.origin
    # People come first. A fold too small for scoring leaves the snapshots alone.
    snapshots = make_sources(base, train, None, None).held
    assert len(snapshots) == 24
    assert torch.equal(sources.held[:24], snapshots)
    # Nor does a large fold push them out.
    both = make_sources(base, fold, train, None).held
    assert len(train) > 8
    assert len(both) == 32
    assert torch.equal(both[:24], snapshots)


@pytest.mark.parametrize(("count", "to_learn", "kept"), [(1, 1, 1), (4, 3, 1), (10, 8, 2), (200, 160, 32)])
def test_a_few_photos_are_joined_by_snapshots(
    drawings: tuple[StyleSet, StyleSet], tmp_path: Path, count: int, to_learn: int, kept: int
) -> None:
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 255, (48, 48, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number:03d}.png")
    base = create_model("scan_tiny")
    sources, without = (make_sources(base, *drawings, photos) for photos in (tmp_path, None))
    snapshots = without.photos[without.made :]
    assert sources.made == 0
    assert len(sources.photos) == max(to_learn, len(snapshots))
    assert torch.equal(sources.photos[to_learn:], snapshots[to_learn:])
    assert len(sources.held) == max(kept, 24)
    assert torch.equal(sources.held[kept:24], without.held[kept:24])
    mine = {photo.numpy().tobytes() for photo in sources.photos[:to_learn]}
    assert len(mine) == to_learn
    assert not mine & {photo.numpy().tobytes() for photo in snapshots}
    assert (mine & {photo.numpy().tobytes() for photo in sources.held} != set()) == (count == 1)
    assert ("snapshots" in sources.origin) == (count < 200)

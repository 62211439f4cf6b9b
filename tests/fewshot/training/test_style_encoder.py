"""Training of the style encoder: its loss, what it may see, and a short run on real drawings."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from eval.style_encoder import HEADER, StyleEncoder, load_style
from fewshot.data.packs import Pack
from fewshot.training.shipped import save_shipped
from fewshot.training.style_batches import SIZE, Mixture, Sources, draw_groups, draw_plain, load_sources
from fewshot.training.style_encoder import Settings, contrast, distil, supervised_contrast
from fewshot.training.style_folds import folds, measure_folds, retrieval
from fewshot.training.style_teacher import StyleTeacher


def test_contrast_is_the_papers_formula() -> None:
    torch.manual_seed(0)
    rows, labels = F.normalize(torch.randn(8, 5), dim=1), torch.tensor([0, 0, 1, 1, 1, 2, 2, 2])
    total = 0.0
    for i in range(8):
        others = [a for a in range(8) if a != i]
        below = sum(float(torch.exp(rows[i] @ rows[a] / 0.2)) for a in others)
        positives = [p for p in others if labels[p] == labels[i]]
        shares = [np.log(float(torch.exp(rows[i] @ rows[p] / 0.2)) / below) for p in positives]
        total += -sum(shares) / len(positives)
    assert float(supervised_contrast(rows, labels, 0.2)) == pytest.approx(total / 8, rel=1e-5)


def test_held_out_drawings_are_never_loaded(tmp_path: Path) -> None:
    """By folder for artists, by number for the packs."""
    picture = Image.fromarray(np.full((40, 40, 3), 90, np.uint8))
    for name in (
        *("artists/ada/train/1.png", "artists/ada/heldout/2.png", "artists/ada/heldout_photos/2.png"),
        *("pack/anime_256/03299.png", "pack/anime_256/03300.png", "pack/anime_256/03399.png"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / name)
    shutil.make_archive(str(tmp_path / "anime_256"), "tar", tmp_path / "pack")
    sources = load_sources(tmp_path, 32, None)
    assert {name: pack.names for name, pack in sources.artists.items()} == {"ada": ("1.png",)}
    assert [Path(name).stem for pack in sources.packs for name in pack.names] == ["03299"]


def test_a_fold_has_no_drawing_of_its_artists() -> None:
    pack = Pack("train", ("1",), np.zeros((1, 3, 8, 8), np.uint8))
    sources = Sources(dict.fromkeys("abcdefghi", pack), ())
    parts = folds(list(sources.artists))
    assert sorted(name for part in parts for name in part) == sorted(sources.artists)
    assert all(set(sources.without(part).artists) == set(sources.artists) - set(part) for part in parts)


def test_retrieval_leaves_the_query_out() -> None:
    rows = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 1]], np.float64)
    labels = np.array(["a", "a", "b", "b"])
    precision, first = retrieval(rows, labels, np.arange(4))
    assert precision.tolist() == [1, 1, 1, 1]
    assert first.all()
    precision, first = retrieval(rows, np.array(["a", "b", "a", "b"]), np.array([0]))
    # Its partner is the last of the three others.
    assert precision.tolist() == [pytest.approx(1 / 3)]
    assert not first.any()


def random_sources() -> Sources:
    rng = np.random.default_rng(0)

    def pack(name: str, count: int) -> Pack:
        pixels = rng.integers(0, 255, (count, 3, SIZE, SIZE), dtype=np.uint8)
        return Pack(name, tuple(map(str, range(count))), pixels)

    artists = {name: pack("train", 3) for name in ("ada", "bo", "cy")}
    return Sources(artists, (pack("anime_96.tar", 9), pack("photos.tar", 9)))


def test_groups_hold_views_of_one_hand() -> None:
    mixture = Mixture(artists=3, pseudo=2, single=2, views=2)
    torch.manual_seed(0)
    images, labels = draw_groups(random_sources(), mixture, np.random.default_rng(1))
    assert images.shape == (14, 3, SIZE, SIZE)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert (images.min(), images.max()) >= (torch.tensor(0.0), torch.tensor(0.5))
    torch.manual_seed(0)
    again, _ = draw_groups(random_sources(), mixture, np.random.default_rng(1))
    assert torch.equal(images, again)
    assert draw_plain(random_sources(), 6, np.random.default_rng(1)).shape == (6, 3, SIZE, SIZE)


def test_a_short_trainings_file_gives_the_same_vectors(shared: Path, tmp_path: Path) -> None:
    sources = random_sources()
    teacher = StyleTeacher(shared / "weights" / "squeezenet1_0_imagenet.safetensors")
    settings = Settings(distil_steps=3, contrast_steps=3, distil_batch=8)
    encoder = contrast(distil(sources, teacher, settings), sources, settings)
    save_shipped(encoder, tmp_path / "style.safetensors", HEADER, {"seed": 0})
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    loaded = load_style(tmp_path / "style.safetensors")(images)
    assert torch.allclose(loaded.norm(dim=1), torch.ones(2))
    assert torch.allclose(loaded, encoder(images), atol=2e-2)
    assert (tmp_path / "style.safetensors").stat().st_size < 4e6


def test_folds_are_measured_beside_the_baselines() -> None:
    torch.manual_seed(0)
    seen: list[set[str]] = []

    def train(sources: Sources) -> StyleEncoder:
        seen.append(set(sources.artists))
        return StyleEncoder().eval()

    figures = measure_folds(random_sources(), train)
    assert [len(names) for names in seen] == [2, 2, 2]
    assert figures["drawings"] == 9
    assert figures["chance"] == pytest.approx(2 / 8)
    for found in figures["figures"].values():
        value, low, high = found["mAP"]
        assert 0 <= low <= value <= high <= 1

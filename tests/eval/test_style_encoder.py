"""The shipped style encoder and its gallery of hands."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file

from eval.errors import MissingWeightsError, WeightsMismatchError
from eval.features import extract, get_extractor
from eval.random_features import disc_pictures
from eval.style_encoder import DIM, WEIGHTS, load_style
from eval.style_gallery import GALLERY, load_gallery

LIMIT = 4_000_000


def test_the_file_is_small_and_gives_rows_of_one_length_at_any_size() -> None:
    assert WEIGHTS.stat().st_size <= LIMIT
    judge = get_extractor("style")
    assert judge.dim == DIM <= 256
    for side in (40, 128, 200):
        rows = judge(disc_pictures(2, side))
        assert rows.shape == (2, DIM)
        assert torch.allclose(rows.norm(dim=1), torch.full((2,), DIM**0.5), atol=1e-4)


def test_a_batch_gives_what_single_pictures_give() -> None:
    pictures = disc_pictures(3, 128)
    judge = get_extractor("style")
    together = judge(pictures)
    alone = torch.cat([judge(picture[None]) for picture in pictures])
    assert torch.allclose(together, alone, atol=1e-4)


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "style.safetensors"
    with pytest.raises(MissingWeightsError, match="missing"):
        load_style(path)
    path.write_bytes(WEIGHTS.read_bytes()[:-100])
    with pytest.raises(WeightsMismatchError, match="cannot be read"):
        load_style(path)
    with safe_open(WEIGHTS, "pt") as file:
        header = file.metadata()
    tensors = load_file(WEIGHTS)
    tensors["project.bias"] += 1
    save_file(tensors, path, metadata=header)
    with pytest.raises(WeightsMismatchError, match="sha256"):
        load_style(path)


def test_the_gallery_names_its_artists_and_fits_the_encoder() -> None:
    judge = get_extractor("style")
    gallery = load_gallery(judge.sha256)
    assert len(gallery.vectors) >= 5
    assert gallery.vectors.keys() == gallery.attributions.keys()
    for name, rows in gallery.vectors.items():
        assert np.allclose(np.linalg.norm(rows, axis=2), DIM**0.5, atol=2e-2), name
        assert "CC0" in gallery.attributions[name] or "CC BY" in gallery.attributions[name]
    with pytest.raises(WeightsMismatchError, match="made by the encoder"):
        load_gallery("0" * 64)


def test_a_damaged_gallery_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gallery.safetensors"
    with pytest.raises(MissingWeightsError):
        load_gallery("0" * 64, path)
    path.write_bytes(GALLERY.read_bytes()[:50])
    with pytest.raises(WeightsMismatchError, match="cannot be read"):
        load_gallery("0" * 64, path)
    header = {"gallery": json.dumps({"encoder": "1"})}
    save_numpy({"ada": np.zeros((1, 2), np.float32)}, path, metadata=header)
    with pytest.raises(WeightsMismatchError, match="cannot be read"):
        load_gallery("1", path)


def test_the_shipped_gallery_is_what_the_encoder_makes_of_the_drawings(shared: Callable[..., Path]) -> None:
    from fewshot.evaluation.sources import gather_drawings

    judge = get_extractor("style")
    drawings = gather_drawings(shared("data", "artists", "lorelei", "train"), 256).rows(range(8))
    made = np.stack([extract(judge, side.pixels) for side in drawings.framed()], 1)
    shipped = load_gallery(judge.sha256).vectors["lorelei"]
    assert ((made * shipped[:8]).sum(2) > 0.999 * DIM).all()

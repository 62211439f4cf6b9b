"""The style encoder's folds: judges of artists that they never saw."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from eval.errors import EvalError, MissingWeightsError, UnknownNameError, WeightsMismatchError
from eval.features import extract, get_extractor
from eval.ranking import unit_rows
from eval.style_encoder import WEIGHTS as ENCODER
from eval.style_unseen import LAST, WEIGHTS, last_layer, load_unseen, unseen_artists


def test_every_artist_of_the_encoder_has_a_fold_without_it() -> None:
    folds = unseen_artists()
    assert set(folds.values()) == {0, 1, 2}
    assert {"afensorm", "cuhk_sketch", "kisling", "lorelei", "revoy"} <= set(folds)
    for artist, fold in folds.items():
        same = get_extractor(f"style-unseen:{artist}").sha256
        others = {get_extractor(f"style-unseen:{other}").sha256 for other, f in folds.items() if f != fold}
        # The cache of features goes by it: two folds in one file are two extractors.
        assert same not in others


def test_folds_share_the_backbone_and_differ_in_the_last_layer() -> None:
    one, other = (load_unseen(artist).state_dict() for artist in ("lorelei", "revoy"))
    assert one.keys() == other.keys()
    same = {name.split(".")[0] for name in one if torch.equal(one[name], other[name])}
    assert {"backbone", "heads"} <= same
    assert not torch.equal(one["project.weight"], other["project.weight"])
    assert all(name.split(".")[0] in LAST for name in last_layer(load_unseen("lorelei")))


def test_an_unknown_artist_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UnknownNameError, match="loreley") as caught:
        get_extractor("style-unseen:loreley")
    assert "style-unseen:lorelei" in caught.value.hint
    with pytest.raises(EvalError, match="no weight file"):
        get_extractor("style-unseen:lorelei", weights=WEIGHTS)


def test_damaged_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS.name
    with pytest.raises(MissingWeightsError, match="missing"):
        unseen_artists(path)
    path.write_bytes(WEIGHTS.read_bytes()[:-100])
    shutil.copy(ENCODER, tmp_path)
    with pytest.raises(WeightsMismatchError, match="cannot be read"):
        unseen_artists(path)
    with safe_open(WEIGHTS, "pt") as file:
        header = file.metadata()
    kept = {name: tensor for name, tensor in load_file(WEIGHTS).items() if not name.startswith("0.project")}
    save_file(kept, path, metadata=header)
    first = next(artist for artist, fold in unseen_artists(path).items() if fold == 0)
    with pytest.raises(WeightsMismatchError, match="lacks a last layer"):
        load_unseen(first, path)
    (tmp_path / ENCODER.name).write_bytes(b"another")
    with pytest.raises(WeightsMismatchError, match="another"):
        unseen_artists(path)


@pytest.mark.parametrize("artist", ["cuhk_sketch", "lorelei"])
def test_a_fold_finds_the_hand_that_it_never_saw(artist: str, shared: Callable[..., Path]) -> None:
    names = ("cuhk_sketch", "lorelei", "afensorm", "notionists", "revoy")
    judge = get_extractor(f"style-unseen:{artist}")
    rows = {
        name: unit_rows(extract(judge, _drawings(shared("data", "artists", name, "train")))) for name in names
    }
    own, rest = rows[artist], np.concatenate([r for name, r in rows.items() if name != artist])
    within = own @ own.T
    np.fill_diagonal(within, -1)
    assert (within.max(1) > (own @ rest.T).max(1)).mean() > 0.8


def _drawings(folder: Path) -> np.ndarray:
    files = sorted(folder.iterdir())[:16]
    return np.stack([np.asarray(Image.open(f).convert("RGB").resize((128, 128))) for f in files]).transpose(
        0, 3, 1, 2
    )

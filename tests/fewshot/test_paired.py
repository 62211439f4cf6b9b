"""The paired benchmark: halves are cut apart, held-out pictures stay apart, and a right answer wins."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import BaseModel, random_model
from base_models.variants import FULL, ONE_STAGE, STACKED
from eval.fidelity import psnr
from fewshot.cli.base_ablate import facades
from fewshot.data.packs import Pack
from fewshot.errors import BadInputError, NotFoundError
from fewshot.evaluation.ablation_table import table_row
from fewshot.evaluation.paired import ALL_COLUMNS, COLUMNS, MODELS, TEXTS, load_halves, measure, split_halves
from fewshot.training.ablation import Trained

NAME = "facades_512x256"


def pairs(path: Path, numbers: list[int], width: int = 64, height: int = 32) -> Path:
    """A .tar of pictures: the left half has the number as red, the right half as blue; both have a ramp."""
    ramp = np.linspace(0, 200, height, dtype=np.uint8)[:, None]
    with tarfile.open(path, "w") as archive:
        for number in numbers:
            picture = np.zeros((height, width, 3), np.uint8)
            picture[:, : width // 2, 0] = picture[:, width // 2 :, 2] = number % 256
            picture[:, :, 1] = ramp
            buffer = io.BytesIO()
            Image.fromarray(picture).save(buffer, "PNG")
            member = tarfile.TarInfo(f"{NAME}/{number:05d}.png")
            member.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(member, buffer)
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return pairs(tmp_path / f"{NAME}.tar", [3, 130, 239, 240, 299])


def test_the_halves_come_apart_in_the_same_order(source: Path) -> None:
    photos, labels = load_halves(split_halves(source), 32, held_out=False)
    assert photos.names == tuple(f"photos/{n:05d}.png" for n in (3, 130, 239))
    assert labels.names == tuple(f"labels/{n:05d}.png" for n in (3, 130, 239))
    assert photos.pixels.shape == labels.pixels.shape == (3, 3, 32, 32)
    assert (photos.pixels[:, 0].reshape(3, -1) == [[3], [130], [239]]).all()
    assert (labels.pixels[:, 2].reshape(3, -1) == [[3], [130], [239]]).all()
    assert not photos.pixels[:, 2].any()
    assert not labels.pixels[:, 0].any()


def test_the_last_sixty_are_held_out(source: Path) -> None:
    photos, labels = load_halves(split_halves(source), 32, held_out=True)
    assert photos.names == ("photos/00240.png", "photos/00299.png")
    assert labels.names == ("labels/00240.png", "labels/00299.png")


def test_a_source_is_cut_once_and_again_when_it_changes(source: Path) -> None:
    first = split_halves(source)
    made = first.stat().st_mtime_ns
    assert split_halves(source) == first
    assert first.stat().st_mtime_ns == made
    pairs(source, [1, 2, 250])
    assert split_halves(source) != first


def test_what_is_no_pair_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="nowhere"):
        split_halves(tmp_path / "nowhere.tar")
    with pytest.raises(BadInputError, match=r"00007\.png is 50x32 px, expected twice as wide"):
        split_halves(pairs(tmp_path / "wide.tar", [7], width=50))
    with pytest.raises(BadInputError, match="no picture"):
        split_halves(pairs(tmp_path / "empty.tar", []))
    with pytest.raises(BadInputError, match="all of its pictures are held out"):
        load_halves(split_halves(pairs(tmp_path / f"{NAME}.tar", [250])), 32, held_out=False)
    with pytest.raises(BadInputError, match="none of its pictures are held out"):
        load_halves(split_halves(pairs(tmp_path / f"{NAME}.tar", [7])), 32, held_out=True)


def test_folders_of_a_source_stay_apart(tmp_path: Path) -> None:
    whole = tmp_path / "both.tar"
    with tarfile.open(whole, "w") as archive:
        for folder in ("train", "heldout"):
            with tarfile.open(pairs(tmp_path / f"{folder}.tar", [1])) as part:
                member = part.getmembers()[0]
                data = part.extractfile(member)
                member.name = f"{folder}/1.png"
                archive.addfile(member, data)
    halves = split_halves(whole)
    assert load_halves(halves, 32, held_out=True)[0].names == ("photos/heldout/1.png",)
    assert load_halves(halves, 32, held_out=False)[1].names == ("labels/train/1.png",)


class Answer(nn.Module):
    """Gives the right answer, or one that is off by a fixed amount."""

    size, multiple, name_or_path = 32, 1, "answer"

    def __init__(self, swap: tuple[int, int, int], off: float) -> None:
        super().__init__()
        self.swap, self.off = swap, off
        # Counted by its convolutions, which it does not use.
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        self.conv(x)
        return (x[:, list(self.swap)] + self.off).clamp(-1, 1)


def answering(off: float) -> Trained:
    """Exchanges red and blue, which is what tells the halves apart."""
    model: Any = random_model("scan_tiny", 0)
    model = replace(model, netG_A=Answer((2, 1, 0), off), netG_B=Answer((2, 1, 0), -off))
    return Trained(Path("unused"), model, 100, 1.5)


def test_rows_measure_both_directions_and_the_gain_over_one_stage(source: Path) -> None:
    archive = split_halves(source)
    test, known = (load_halves(archive, 32, held_out=held) for held in (True, False))
    trained = {ONE_STAGE: answering(0.5), STACKED: answering(0.2), FULL: answering(0.02)}
    rows, sheet = measure(trained, test, known)
    assert [(row["direction"], row["model"]) for row in rows] == [
        (direction, model)
        for direction in ("to labels", "to photo")
        for model in ("mean picture", ONE_STAGE, STACKED, FULL)
    ]
    for direction in ("to labels", "to photo"):
        found = {row["model"]: row for row in rows if row["direction"] == direction}
        values = [found[name]["psnr"][0] for name in (ONE_STAGE, STACKED, FULL)]
        assert values == sorted(values)
        likeness = [found[name]["ssim"][0] for name in (ONE_STAGE, STACKED, FULL)]
        assert likeness == sorted(likeness)
        gain = found[FULL]["psnr_gain"]
        assert gain[0] == pytest.approx(values[2] - values[0])
        assert 0 < gain[1] <= gain[0] <= gain[2]
        assert found[ONE_STAGE]["psnr_gain"] is None
        assert found["mean picture"]["psnr"][0] < values[2]
        assert (found[FULL]["n"], found[FULL]["px"], found[FULL]["pairs"]) == (2, 32, 100)
    assert [caption for caption, _ in sheet][:3] == ["photo", "labels", f"{ONE_STAGE}\nlabels"]
    assert all(set(ALL_COLUMNS) >= row.keys() for row in rows)
    shown = table_row(rows[-1], TEXTS)
    assert set(COLUMNS) <= shown.keys()
    low, high = rows[-1]["psnr"][1:]
    assert shown["PSNR dB"] == f"{rows[-1]['psnr'][0]:.3g} [{low:.3g}, {high:.3g}]"


def test_results_are_compared_with_the_other_half_of_the_same_picture(source: Path) -> None:
    test = load_halves(split_halves(source), 32, held_out=True)
    turned = tuple(Pack(p.source, p.names[::-1], p.pixels[::-1].copy()) for p in test)
    exact = {ONE_STAGE: answering(0.01)}
    right, _ = measure(exact, test, test)
    wrong, _ = measure(exact, (test[0], turned[1]), test)
    assert right[1]["psnr"][0] > 40 > wrong[1]["psnr"][0]


def test_the_mean_picture_is_that_of_the_training_side(source: Path) -> None:
    archive = split_halves(source)
    test, known = (load_halves(archive, 32, held_out=held) for held in (True, False))
    rows, _ = measure({ONE_STAGE: answering(0.1)}, test, known)
    blue = np.zeros_like(test[1].pixels)
    blue[:, 1] = known[1].pixels[0, 1]
    blue[:, 2] = round((3 + 130 + 239) / 3)
    assert rows[0]["psnr"][0] == pytest.approx(psnr(blue, test[1].pixels).mean())


def test_a_real_model_draws_the_labels_side_with_its_second_direction(source: Path) -> None:
    test = load_halves(split_halves(source), ARCHITECTURES["scan_tiny"].stages[-1].size, held_out=True)
    model: BaseModel = random_model("scan_tiny", 0)
    _, sheet = measure({ONE_STAGE: Trained(Path("unused"), model, 1, 0.0)}, test, test)
    (caption, drawn) = sheet[-1]
    assert caption == f"{ONE_STAGE}\nphoto"
    with torch.inference_mode():
        expected = model.netG_B(torch.from_numpy(test[1].pixels).float() / 127.5 - 1)
    np.testing.assert_allclose(drawn, ((expected + 1) * 127.5).round().numpy(), atol=1)


def test_the_command_trains_measures_and_prints(tmp_path: Path, fewshot_home: Path) -> None:
    source = pairs(tmp_path / f"{NAME}.tar", [1, 2, 3, 241, 242])
    app = typer.Typer()
    app.command()(facades)
    arguments = [str(source), "--pairs", "8", "--batch", "2", "--arch", "scan_tiny", "--name", "t", "--cpu"]
    result = CliRunner().invoke(app, [*arguments, "--precision", "no", "--format", "json"])
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["model"] for row in rows] == ["mean picture", *MODELS] * 2
    assert {row["pairs"] for row in rows} == {None, 8}
    assert {row["n"] for row in rows} == {2}
    assert {row["parameters"] for row in rows if row["model"] in (FULL, ONE_STAGE)} == {7483}
    folder = fewshot_home / "runs" / "scan_tiny-facades.t"
    assert {path.name for path in folder.iterdir()} == {"metrics.json", "request.json", "sheet.png"}
    used = json.loads((folder / "request.json").read_text())["config"]
    assert (used["lambda_cycle"], used["lambda_content"], used["lambda_colour"]) == (10, 0, 0)

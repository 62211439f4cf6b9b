"""What the report of a base says, on drawings by code and on networks whose answer is known."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from base_models import create_model
from base_models.counts import count_macs
from eval.distances import fid, kid, kid_ratio_interval
from eval.errors import MissingWeightsError
from eval.features import extract, get_extractor
from fewshot.errors import BadInputError, NotFoundError, UsageError
from fewshot.evaluation import base_report
from fewshot.evaluation.base_measures import Judge, draw_there_and_back
from fewshot.evaluation.base_record import CASE_COLUMNS, COLUMNS, BaseReport, Case
from fewshot.evaluation.base_report import Settings, measure_base
from fewshot.evaluation.features import open_judge
from fewshot.evaluation.hard_cases import HELD_OUT, MADE
from fewshot.evaluation.sources import gather
from fewshot.inference.torch_engine import TorchEngine
from fewshot.samples import sample_folder

FLAT, INK = sample_folder("flat"), sample_folder("ink")
SETTINGS = Settings(FLAT, INK, extractor="colour-edge")
SIZE = 32


@pytest.fixture(autouse=True)
def no_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here fetches the face detector."""

    def missing(*_: Any, **__: Any) -> Path:
        raise MissingWeightsError("no such file")

    monkeypatch.setattr("fewshot.data.faces.find_weights", missing)


@pytest.fixture(scope="module")
def flat() -> np.ndarray:
    return gather(FLAT, SIZE).pixels


def value(case: Case, measure: str) -> float:
    row = case.find(measure)
    assert row is not None
    return row.estimate.value


def test_every_number_is_that_of_its_own_function(flat: np.ndarray) -> None:
    report = measure_base("scan_tiny", SETTINGS)
    case = report.cases[0]
    model, judge = create_model("scan_tiny"), get_extractor("colour-edge")
    results = TorchEngine(model).stylize(flat)
    drawings, before, after = (extract(judge, side) for side in (gather(INK, SIZE).pixels, flat, results))
    assert value(case, "KID") == pytest.approx(kid(drawings, after), rel=1e-3)
    assert value(case, "KID of the photos") == pytest.approx(kid(drawings, before))
    assert value(case, "FID") == pytest.approx(fid(drawings, after), rel=1e-3)
    ratio = case.find("KID ratio")
    assert ratio is not None
    expected = kid_ratio_interval(drawings, before, after)
    assert (ratio.estimate.low, ratio.estimate.high) == pytest.approx((expected.low, expected.high), rel=1e-3)
    drawn = draw_there_and_back(model, flat)
    assert value(case, "cycle L1 (0..1)") == pytest.approx(np.abs(flat / 255 - drawn.back / 255).mean())
    noise = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in zip(flat, drawn.back, strict=True)]
    assert value(case, "cycle PSNR (dB)") == pytest.approx(np.mean(noise))
    for row in case.rows:
        assert row.estimate.extractor
        assert row.estimate.n_y == len(flat)


def test_the_facts_are_the_checkpoints() -> None:
    report = measure_base("scan_128.anime", replace(SETTINGS, n=2))
    model = create_model("scan_128.anime")
    facts = model.header["training"]
    assert (report.base["minutes"], report.base["pairs"]) == (facts["minutes"], facts["pairs"])
    assert report.base["sha256"] == model.sha256
    assert report.base["gmacs"] == count_macs(model.netG_A, 128) / 1e9
    assert report.size == 128


def test_a_network_that_changes_nothing_keeps_everything(flat: np.ndarray) -> None:
    same = torch.nn.Identity()
    same.size = SIZE  # type: ignore[assignment]
    model: Any = SimpleNamespace(netG_A=same, netG_B=same)
    drawn = draw_there_and_back(model, flat)
    assert (drawn.results == flat).all()
    judge = Judge(get_extractor("colour-edge"), gather(INK, SIZE).pixels, flat, None, 0)
    case = Case("all", "all", len(flat), judge.rows(drawn))
    assert value(case, "KID ratio") == 1
    assert value(case, "content 1st") == 1
    assert value(case, "cycle L1 (0..1)") == 0
    assert value(case, "cycle PSNR (dB)") == 100
    assert case.rows[-2].clear is True


def test_bases_of_different_sizes_are_compared_at_one() -> None:
    report = measure_base("scan_tiny", replace(SETTINGS, size=48, n=6))
    assert report.size == 48
    drawn = draw_there_and_back(create_model("scan_tiny"), gather(FLAT, 48).pixels[:3])
    assert drawn.results.shape == (3, 3, 48, 48)
    assert drawn.back.shape == drawn.inputs.shape == (3, 3, SIZE, SIZE)


def test_hard_cases_are_measured_with_one_ruler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {name: MADE[name] for name in ("grey", "roll")}
    monkeypatch.setattr(base_report, "MADE", made)
    numbers = [*HELD_OUT["side_face"], *HELD_OUT["near_grey"][:4]]
    photos = tmp_path / "photos_256"
    photos.mkdir()
    for number, file in zip(sorted(set(numbers)), sorted(FLAT.glob("*.webp")), strict=False):
        shutil.copy(file, photos / f"{number:05d}.webp")
    report = measure_base("scan_tiny", replace(SETTINGS, photos=photos, hard=True))
    kinds = {case.name: (case.kind, case.n) for case in report.cases}
    whole = report.n["photos"]
    assert kinds["side_face"] == ("listed", len(HELD_OUT["side_face"]))
    assert {name: ("made", whole) for name in made}.items() <= kinds.items()
    assert all(n >= 5 for _, n in kinds.values())
    before = {value(case, "KID of the photos") for case in report.cases if case.kind == "made"}
    assert before == {value(report.cases[0], "KID of the photos")}
    # A listed photo has to be found among all photos, not among its like.
    side = next(case for case in report.cases if case.name == "side_face").find("content 1st")
    assert side is not None
    assert (side.estimate.n_x, side.estimate.n_y) == (whole, len(HELD_OUT["side_face"]))
    rows = report.case_rows()
    assert [row["case"] for row in rows] == [case.name for case in report.cases]
    assert all(set(row) == set(CASE_COLUMNS) for row in rows)


def test_photos_that_are_not_on_the_list_say_so() -> None:
    report = measure_base("scan_tiny", replace(SETTINGS, n=5, hard=True))
    assert len(report.cases) == 1 + len(MADE)
    assert any("no listed hard photos" in note for note in report.notes)


def test_the_seed_draws_the_pictures() -> None:
    def some(seed: int) -> BaseReport:
        return measure_base("scan_tiny", replace(SETTINGS, n=6, seed=seed))

    first, again, other = some(0), some(0), some(1)
    assert first.n == {"photos": 6, "drawings": 6}
    assert first.rows() == again.rows()
    assert value(first.cases[0], "KID") != value(other.cases[0], "KID")


def test_few_pictures_have_no_kid_and_the_reader_is_told() -> None:
    report = measure_base("scan_tiny", replace(SETTINGS, n=3))
    assert report.cases[0].find("KID") is None
    assert any("no KID" in note for note in report.notes)
    remarks = report.remarks()
    assert any("no part-level numbers" in remark and "--detector" in remark for remark in remarks)
    assert any("FID: n = 3" in remark for remark in remarks)


def test_the_record_is_json_and_the_table_has_its_columns() -> None:
    report = measure_base("scan_tiny", replace(SETTINGS, n=6))
    record = json.loads(json.dumps(report.to_dict()))
    assert {"base", "sources", "n", "extractor", "seed", "cases", "level"} <= set(record)
    rows = report.rows()
    assert all(set(row) <= set(COLUMNS) for row in rows)
    assert [row["measure"] for row in rows[:4]] == ["parameters", "GMACs", "minutes", "pairs"]
    assert next(row["shuffled"] for row in rows if row["measure"].startswith("cycle L1")).count("[") == 1


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"photos": Path("nowhere")}, NotFoundError),
        ({"indices": "0-0"}, BadInputError),
        ({"indices": "9-1"}, UsageError),
        ({"detector": Path("nowhere.onnx")}, NotFoundError),
    ],
)
def test_what_cannot_be_used_is_refused(change: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        measure_base("scan_tiny", replace(SETTINGS, **change))


def test_a_missing_gpu_is_said_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="no GPU"):
        measure_base("scan_tiny", replace(SETTINGS, photos=Path("nowhere"), device="cuda"))


def test_a_device_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match="no such device"):
        open_judge("random", device="gpu")

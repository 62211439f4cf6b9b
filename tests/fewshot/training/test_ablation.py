"""Experiments under equal budgets: what is trained, shared, skipped and resumed, and what the rows say."""

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import BaseModel, load_checkpoint
from base_models.variants import FULL, NO_FUSION, NO_SKIP, ONE_STAGE, STACKED, STAGE_1, VARIANTS
from fewshot.cli.base_ablate import ablate
from fewshot.errors import BadInputError, ConflictError, NotFoundError, UsageError
from fewshot.evaluation.ablation_table import (
    ALL_COLUMNS,
    COLUMNS,
    TEXTS,
    held_out_part,
    run_ablation,
    table_row,
    to_train_on,
)
from fewshot.evaluation.base_report import Settings
from fewshot.training.ablation import Budget, train_variants
from fewshot.training.pretrain import Pretraining
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.pretrain_run import BaseRun, Source, train_base

Tar = Callable[[Path, int], Path]
TINY = PretrainConfig(arch="scan_tiny", batch=2, lambda_feature=0.0, lambda_content=0.0, lambda_colour=0.0)


@pytest.fixture
def template(tmp_path: Path, tar: Tar) -> BaseRun:
    """scan_tiny on generated pictures."""
    photos, drawings = (Source(tar(tmp_path / f"{side}.tar", 6)) for side in ("photos", "drawings"))
    return BaseRun(TINY, "t", (photos,), (drawings,), "made here", tmp_path / "out", "no", cpu=True)


def test_an_interrupted_run_goes_on_and_finished_ones_are_skipped(
    template: BaseRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = Budget(pairs=16)
    expected = train_variants("ablation", template, (FULL,), budget)[1][FULL]
    shutil.rmtree(expected.path.parent)
    calls: list[tuple[str, bool]] = []

    def spy(run: BaseRun) -> tuple[Path, bool]:
        calls.append((run.config.arch, run.resume))
        return train_base(run)

    monkeypatch.setattr("fewshot.training.ablation.train_base", spy)
    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "_agree", stop_in_the_second_step)
        with pytest.raises(KeyboardInterrupt):
            train_variants("ablation", template, (FULL,), budget)
    assert not expected.path.exists()
    again = train_variants("ablation", template, (FULL,), budget)[1][FULL]
    assert calls == [("scan_tiny-ablation-full", False), ("scan_tiny-ablation-full", True)]
    assert again.model.header["training"]["pairs"] == 8
    states = [one.model.netG_A.state_dict() for one in (again, expected)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[1])
    calls.clear()
    assert train_variants("ablation", template, (FULL,), budget)[1][FULL].model.sha256 == again.model.sha256
    assert calls == []


def stop_in_the_second_step(run: Pretraining, seconds: float) -> float:
    """As Ctrl-C would."""
    run.interrupted = run.stopping = run.position.step == 1
    return seconds


def test_another_request_of_the_same_name_is_a_conflict(template: BaseRun) -> None:
    budget = Budget(pairs=4)
    folder, _ = train_variants("ablation", template, (ONE_STAGE,), budget)
    assert train_variants("ablation", template, (ONE_STAGE,), budget)[0] == folder
    others = {
        "variants": (template, (STAGE_1,), budget),
        "pairs": (template, (ONE_STAGE,), Budget(pairs=6)),
        "minutes": (template, (ONE_STAGE,), Budget(minutes=1)),
        "config": (replace(template, config=replace(TINY, lr=0.1)), (ONE_STAGE,), budget),
        "photos": (replace(template, photos=template.drawings), (ONE_STAGE,), budget),
    }
    for words, (run, names, other) in others.items():
        with pytest.raises(ConflictError, match=f"other {words}") as error:
            train_variants("ablation", run, names, other)
        assert "--name" in error.value.hint


def test_one_stage_has_nothing_to_compare(template: BaseRun, monkeypatch: pytest.MonkeyPatch) -> None:
    full = ARCHITECTURES["scan_tiny"]
    monkeypatch.setitem(ARCHITECTURES, "flat", replace(full, stages=full.stages[:1]))
    flat = replace(TINY, arch="flat")
    with pytest.raises(UsageError, match="flat has one stage"):
        train_variants("ablation", replace(template, config=flat), VARIANTS, Budget(pairs=8))


def test_of_two_variants_the_table_has_two_rows(template: BaseRun, tmp_path: Path, tar: Tar) -> None:
    held = tmp_path / "heldout"
    held.mkdir()
    settings = Settings(tar(held / "p.tar", 6), tar(held / "d.tar", 7), extractor="colour-edge")
    rows = run_ablation(template, Budget(pairs=4), settings, (STAGE_1, ONE_STAGE))
    assert [row["model"] for row in rows] == [STAGE_1, ONE_STAGE]
    assert all(row["kid_beyond_full"] is None for row in rows)


def test_the_table_has_a_row_for_each_variant(template: BaseRun, tmp_path: Path, tar: Tar) -> None:
    held = tmp_path / "heldout"
    held.mkdir()
    settings = Settings(tar(held / "p.tar", 6), tar(held / "d.tar", 7), extractor="colour-edge")
    rows = run_ablation(template, Budget(pairs=8), settings)
    assert [row["model"] for row in rows] == list(VARIANTS)
    assert all(set(row) == set(ALL_COLUMNS) for row in rows)
    assert [row["kid_beyond_full"] is None for row in rows] == [False] * 5 + [True]
    assert {row["px"] for row in rows} == {32}
    assert {row["pairs"] for row in rows} == {8}
    assert {tuple(row["n"].values()) for row in rows} == {(6, 7)}
    by_name = {row["model"]: row for row in rows}
    assert by_name[FULL]["parameters"] == 7483
    assert by_name[STAGE_1]["gmacs"] < by_name[FULL]["gmacs"]
    for row in rows:
        value, low, high = row["kid"]
        assert low <= value <= high
        beyond = row["kid_beyond_full"] or [0.0]
        assert beyond[0] == pytest.approx(value - by_name[FULL]["kid"][0])
        assert Path(row["path"]).is_file()
    runs = Path(rows[0]["path"]).parents[1]
    lower = "scan_tiny-ablation-lower.t"
    check_shared_stage(by_name, load_checkpoint(runs / lower / f"{lower}.safetensors"))
    assert json.loads((runs / "scan_tiny-ablation.t" / "metrics.json").read_text()) == rows
    assert (runs / "scan_tiny-ablation.t" / "sheet.png").is_file()
    shown = table_row(rows[0], TEXTS)
    assert set(COLUMNS) <= shown.keys()
    assert shown["KID"] == "{:.3g} [{:.3g}, {:.3g}]".format(*rows[0]["kid"])


def check_shared_stage(rows: dict[str, Any], lower: BaseModel) -> None:
    """The stacked variants hold the trained lowest stage as it is, and lack what their names say."""
    assert lower.header["training"]["pairs"] == 4
    for name, (skip, fusion) in {
        STACKED: (False, False),
        NO_SKIP: (False, True),
        NO_FUSION: (True, False),
        FULL: (True, True),
    }.items():
        model = load_checkpoint(Path(rows[name]["path"]))
        assert (model.architecture.skip, model.architecture.fusion) == (skip, fusion)
        assert model.header["training"]["pairs"] == 4
        for side in ("netG_A", "netG_B"):
            given, own = (getattr(m, side).stages[0].state_dict() for m in (lower, model))
            assert all(torch.equal(given[key], own[key]) for key in given)
    assert load_checkpoint(Path(rows[ONE_STAGE]["path"])).header["training"]["pairs"] == 8


def test_held_out_pictures_are_found_for_measuring_and_never_trained_on(tmp_path: Path, tar: Tar) -> None:
    held = tmp_path / "heldout_faces"
    held.mkdir()
    plain, apart = tar(tmp_path / "photos.tar", 3), tar(held / "p.tar", 3)
    named = tar(tmp_path / "anime_256.tar", 3)
    assert held_out_part([plain, apart]) == (apart, None)
    assert to_train_on([plain, apart, named]) == (Source(plain), Source(named))
    with pytest.raises(BadInputError, match=r"photos\.tar, anime_256\.tar"):
        held_out_part([plain, named])
    with pytest.raises(BadInputError, match="nothing to train on"):
        to_train_on([apart])


def test_a_held_out_number_in_a_sub_folder_does_not_stand_for_a_picture_beside_it(tmp_path: Path) -> None:
    for name in ("7.png", "heldout/7.png"):
        path = tmp_path / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    with pytest.raises(BadInputError, match="nothing in faces is held out"):
        held_out_part([tmp_path / "faces"])


def test_the_shared_packs_held_out_range_is_found(shared: Path) -> None:
    path = shared / "data" / "photos_256.tar"
    assert held_out_part([path]) == (path, "3300-3399")


def test_with_a_pack_the_sources_only_give_what_is_measured(
    tmp_path: Path, tar: Tar, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heldout").mkdir()
    held = [tar(tmp_path / "heldout" / f"{side}.tar", 3) for side in ("p", "d")]
    sides = {"photos/x": 96, "drawings/x": 256, "drawings/soft": 96}
    groups = [{"name": name, "weight": 2.0, "count": 1, "px": px} for name, px in sides.items()]
    index = json.dumps({"size": 40, "groups": groups}).encode()
    pack = tmp_path / "pack.tar"
    with tarfile.open(pack, "w") as archive:
        member = tarfile.TarInfo("pack.json")
        member.size = len(index)
        archive.addfile(member, io.BytesIO(index))
    asked: list[tuple[BaseRun, Budget, Settings, Sequence[str]]] = []

    def run(
        template: BaseRun, budget: Budget, settings: Settings, names: Sequence[str]
    ) -> list[dict[str, Any]]:
        asked.append((template, budget, settings, names))
        return []

    monkeypatch.setattr("fewshot.evaluation.ablation_table.run_ablation", run)
    app = typer.Typer()
    app.command()(ablate)
    sources = ["--photos", str(held[0]), "--drawings", str(held[1]), "--pack", str(pack)]
    chosen = ["--model", FULL, "--model", ONE_STAGE, "--model", FULL]
    options = ["--pairs", "9", "--name", "t", "--seed", "3", "--lr", "0.1", *chosen]
    result = CliRunner().invoke(app, [*sources, *options])
    assert result.exit_code == 0, result.output
    ((template, budget, settings, names),) = asked
    assert names == (ONE_STAGE, FULL)
    assert template.photos == (Source(pack, 2.0, "photos/x"),)
    # The soft ones would be shown to the lower stages alone.
    assert template.drawings == (Source(pack, 2.0, "drawings/x"),)
    config = template.config
    assert (config.arch, config.seed, config.lr, budget) == ("scan_128", 3, 0.1, Budget(pairs=9))
    assert (settings.photos, settings.drawings, settings.indices) == (*held, None)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"photos": "nowhere"}, NotFoundError, "nowhere does not exist"),
        ({"arch": "scan_1"}, NotFoundError, "scan_1"),
        ({"model": "ful"}, NotFoundError, "'ful'"),
        ({"name": "a/b"}, UsageError, "contains '/'"),
        ({"pairs": "1"}, UsageError, "--pairs 1"),
        ({"drawings": "photos.tar"}, BadInputError, "held out"),
    ],
)
def test_what_the_command_cannot_use_is_named_before_training(
    tmp_path: Path,
    tar: Tar,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heldout").mkdir()
    options = {"photos": "photos.tar", "drawings": "drawings.tar", "pairs": "8", "name": "t"} | {
        "arch": "scan_tiny",
        "extractor": "colour-edge",
    }
    for side in ("photos", "drawings"):
        tar(tmp_path / f"{side}.tar", 3)
    held = [] if changes.get("drawings") else ["--drawings", str(tar(tmp_path / "heldout" / "d.tar", 3))]
    arguments = [part for name, value in (options | changes).items() for part in (f"--{name}", value)]
    app = typer.Typer()
    app.command()(ablate)
    result = CliRunner().invoke(
        app, [*arguments, *held, "--photos", str(tar(tmp_path / "heldout" / "p.tar", 3))]
    )
    assert isinstance(result.exception, error), result.output
    assert words in str(result.exception)

"""Budgets of an experiment: pairs or minutes, split among stages, and what a run in minutes makes of them."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from typer.testing import CliRunner

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import load_checkpoint
from base_models.variants import FULL, NO_FUSION, NO_SKIP, ONE_STAGE, STACKED, STAGE_1, VARIANTS
from fewshot.cli.base_ablate import ablate, facades
from fewshot.errors import ConflictError, UsageError
from fewshot.training.ablation import Budget, Job, plan, train_variants
from fewshot.training.pretrain import Pretraining
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.pretrain_run import BaseRun, Source
from fewshot.training.state import load_state

Tar = Callable[[Path, int], Path]
TINY = PretrainConfig(arch="scan_tiny", batch=2, lambda_feature=0.0, lambda_content=0.0, lambda_colour=0.0)
ON_LOWER = {STACKED, NO_SKIP, NO_FUSION, FULL}


@pytest.fixture
def template(tmp_path: Path, tar: Tar) -> BaseRun:
    """scan_tiny on generated pictures."""
    photos, drawings = (Source(tar(tmp_path / f"{side}.tar", 6)) for side in ("photos", "drawings"))
    return BaseRun(TINY, "t", (photos,), (drawings,), "made here", tmp_path / "out", "no", cpu=True)


def parts(job: Job) -> list[float]:
    """Steps, or minutes as the training will take them, of each stage."""
    if job.steps:
        return list(job.steps)
    config = PretrainConfig(share=job.share, minutes=job.minutes, start="x" if job.built_on_lower else "")
    config.validate(len(job.architecture.stages))
    return config.stage_minutes(len(job.architecture.stages))


@pytest.mark.parametrize("arch", ["scan_tiny", "scan_128", "scan_256"])
@pytest.mark.parametrize(
    ("budget", "expected", "uneven"),
    [
        (Budget(pairs=1001), 250, True),
        (Budget(pairs=4000), 1000, True),
        (Budget(minutes=0.1), 0.1, False),
        (Budget(minutes=25), 25, False),
    ],
)
def test_every_variant_gets_the_same_budget_lower_stages_included(
    arch: str, budget: Budget, expected: float, uneven: bool
) -> None:
    full = ARCHITECTURES[arch]
    planned = plan(full, VARIANTS, budget, 4)
    assert [job.name for job in planned] == ["lower", *VARIANTS]
    jobs = {job.name: parts(job) for job in planned}
    (shared,) = jobs.pop("lower")
    assert {job.name for job in planned if job.built_on_lower} == ON_LOWER
    for name, own in jobs.items():
        assert sum(own) + (shared if name in ON_LOWER else 0) == pytest.approx(expected)
    for name in ON_LOWER:
        assert len(jobs[name]) == len(full.stages)
        assert jobs[name][0] == 0
        stages = [shared, *jobs[name][1:]]
        assert max(stages) - min(stages) < (len(full.stages) if uneven else 1e-9)


@pytest.mark.parametrize(
    ("budget", "lower", "own", "alone"),
    [
        (Budget(pairs=19), {"steps": (2,)}, {"steps": (0, 2)}, {"steps": (4,)}),
        (
            Budget(minutes=3),
            {"share": (1,), "minutes": 1.5},
            {"share": (0, 1), "minutes": 1.5},
            {"share": (1,), "minutes": 3},
        ),
    ],
)
def test_a_run_has_either_steps_or_minutes(
    budget: Budget, lower: dict[str, object], own: dict[str, object], alone: dict[str, object]
) -> None:
    empty = {"steps": (), "share": (), "minutes": 0}
    jobs = {job.name: job for job in plan(ARCHITECTURES["scan_tiny"], (FULL, STAGE_1, ONE_STAGE), budget, 4)}
    expected = {"lower": lower, FULL: own, STAGE_1: alone, ONE_STAGE: alone}
    assert {n: {key: getattr(job, key) for key in empty} for n, job in jobs.items()} == {
        name: empty | given for name, given in expected.items()
    }


@pytest.mark.parametrize("budget", [Budget(pairs=8), Budget(minutes=1)])
def test_no_shared_stage_where_nothing_is_stacked(budget: Budget) -> None:
    assert [job.name for job in plan(ARCHITECTURES["scan_tiny"], (ONE_STAGE,), budget, 4)] == [ONE_STAGE]


def test_no_budget_below_a_step_for_each_stage() -> None:
    with pytest.raises(UsageError, match="1 steps of 4 for 2 stages"):
        plan(ARCHITECTURES["scan_tiny"], VARIANTS, Budget(pairs=7), 4)


@pytest.mark.parametrize(
    ("pairs", "minutes", "found"),
    [
        (0, 0.0, "not given"),
        (8, 2.0, "--pairs 8 and --minutes 2.0"),
        (-1, 0.0, "--pairs -1"),
        (0, -2.0, "--minutes -2.0"),
        (0, math.inf, "--minutes inf"),
        (0, math.nan, "--minutes nan"),
    ],
)
def test_a_budget_is_one_of_pairs_and_minutes(pairs: int, minutes: float, found: str) -> None:
    with pytest.raises(UsageError) as error:
        Budget(pairs, minutes)
    assert str(error.value) == f"the budget is {found}, expected one number above 0"
    assert "--pairs N" in error.value.hint
    assert "--minutes M" in error.value.hint


def test_models_trained_for_the_same_minutes(template: BaseRun, monkeypatch: pytest.MonkeyPatch) -> None:
    # A second a step and a clock that nothing else slows down: 3, 3 and 6 steps.
    monkeypatch.setattr(Pretraining, "_agree", lambda run, seconds: 1.0)
    budget = Budget(minutes=0.1)
    folder, trained = train_variants("ablation", template, (ONE_STAGE, FULL), budget)
    assert {name: one.pairs for name, one in trained.items()} == {ONE_STAGE: 12, FULL: 12}
    assert {name: one.model.header["training"]["pairs"] for name, one in trained.items()} == {
        ONE_STAGE: 12,
        FULL: 6,
    }
    request = json.loads((folder / "request.json").read_text())
    assert request["minutes"] == 0.1
    assert "pairs" not in request
    for other in (Budget(minutes=0.2), Budget(pairs=12)):
        with pytest.raises(ConflictError, match=r"other (pairs|minutes) "):
            train_variants("ablation", template, (ONE_STAGE, FULL), other)


def test_real_minutes_end_every_stage(template: BaseRun) -> None:
    folder, trained = train_variants("ablation", template, (ONE_STAGE, FULL), Budget(minutes=0.02))
    runs = {n: folder.parent / f"scan_tiny-ablation-{n}.t" for n in ("lower", ONE_STAGE, FULL)}
    states = {name: load_state(run / "state" / "state.pt") for name, run in runs.items()}
    places = {name: state["position"] for name, state in states.items() if state is not None}
    assert places["lower"]["total_seconds"] >= 0.6
    assert places[FULL]["total_seconds"] >= 0.6
    assert places[ONE_STAGE]["total_seconds"] >= 1.2
    # Its first stage is the shared one as it is: no step and no second is spent on it.
    assert (places[FULL]["stage"], places[FULL]["step"] * 2) == (1, places[FULL]["pairs"])
    assert places[FULL]["seconds"] == places[FULL]["total_seconds"]
    assert trained[FULL].pairs == places["lower"]["pairs"] + places[FULL]["pairs"]
    assert trained[ONE_STAGE].pairs == places[ONE_STAGE]["pairs"]
    lower = load_checkpoint(runs["lower"] / "scan_tiny-ablation-lower.t.safetensors")
    given, own = (model.netG_A.stages[0].state_dict() for model in (lower, trained[FULL].model))
    assert all(torch.equal(given[key], own[key]) for key in given)


@pytest.mark.parametrize("command", [ablate, facades])
@pytest.mark.parametrize(
    ("flags", "found"),
    [([], "not given"), (["--pairs", "8", "--minutes", "0.5"], "--pairs 8 and --minutes 0.5")],
)
def test_the_commands_want_one_budget(
    tmp_path: Path, command: Callable[..., None], flags: list[str], found: str
) -> None:
    app = typer.Typer()
    app.command()(command)
    inputs = ["--photos", "p", "--drawings", "d"] if command is ablate else [str(tmp_path / "x.tar")]
    result = CliRunner().invoke(app, [*inputs, "--name", "t", *flags])
    assert isinstance(result.exception, UsageError), result.output
    assert found in str(result.exception)


def test_a_rate_that_does_not_fit_leaves_no_request_behind(template: BaseRun, fewshot_home: Path) -> None:
    wrong = replace(template, config=replace(TINY, lr=-1.0))
    with pytest.raises(UsageError, match=r"lr is -1\.0"):
        train_variants("ablation", wrong, (FULL,), Budget(pairs=8))
    assert not list(fewshot_home.rglob("request.json"))

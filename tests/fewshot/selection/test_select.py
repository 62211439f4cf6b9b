"""Whole studies on the tiny base, in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fewshot.adapters.adapter import read_adapter
from fewshot.errors import BadInputError, ConflictError, UsageError
from fewshot.home import home
from fewshot.selection.request import Request
from fewshot.selection.select import Selection, select_recipe
from fewshot.training.adapt import adapt_style
from recipes import apply_overrides, load_recipe

SHORT = tuple("steps=4 eval_every=2 batch=2 warmup_steps=1 by_parts=false crop=center patience=0".split())

Drawings = Callable[..., Path]


@pytest.fixture
def photos(drawings: Drawings) -> Path:
    """Ten, of which two are kept for scoring, beside 22 snapshots."""
    return drawings(10, "flat")


def study(folder: Path, **options: Any) -> Selection:
    words = {"base": "scan_tiny", "recipes": ("quick",), "overrides": SHORT, "folds": 2, "retrain": False}
    return select_recipe(Request(folder, **words | options))  # type: ignore[arg-type]


def record(found: Selection) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads((found.folder / "study.json").read_text())
    return parsed


def evidence(found: Selection) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (found.folder / "evidence").iterdir()}


def test_a_study_prunes_recommends_trains_the_winner_and_is_not_done_twice(
    drawings: Drawings, photos: Path
) -> None:
    options: dict[str, Any] = {
        "name": "mine",
        "photos": photos,
        "retrain": True,
        "rungs": 2,
        "knobs": ["lr=3e-4..3e-2"],
        "trials": 3,
    }
    found = study(drawings(6), **options)
    states = {one.number: one.state for one in found.tried}
    # The recipe as it is written is a bracket of its own; of the two sampled ones, one goes on.
    assert sorted(states.values()) == ["complete", "complete", "pruned"]
    assert states[0] == states[found.choice.number] == "complete"
    assert len({one.params.get("lr") for one in found.tried}) == 3
    assert found.adapter is not None
    adapter = read_adapter(found.adapter)
    assert len(adapter.record["references"]) == 6
    assert found.choice.reason.split(":")[0] in {one.label for one in found.tried}
    assert "data:image/webp" in found.report.read_text()
    assert not list(found.folder.glob("trials/*/*/state/*"))
    before = evidence(found)
    again = study(drawings(6), **options)
    assert (again.choice, again.adapter) == (found.choice, found.adapter)
    assert evidence(again) == before
    # A style that was put there by hand since is not this study's to replace.
    by_hand = apply_overrides(load_recipe("quick"), [*SHORT, "seed=5"])
    adapt_style(drawings(6), name="mine", base="scan_tiny", recipe=by_hand, overwrite=True)
    with pytest.raises(ConflictError, match="'mine' already"):
        study(drawings(6), **options)
    assert study(drawings(6), **options, overwrite=True).adapter == found.adapter
    assert read_adapter(found.adapter).record["recipe"]["hash"] == adapter.record["recipe"]["hash"]


def test_exhaustive_scores_every_recipe_on_every_fold_with_its_interval(
    drawings: Drawings, photos: Path
) -> None:
    # Of these combinations, norms alone without norms is no recipe.
    knobs = ["method=norm-only,lora", "train_norms=true,false"]
    found = study(drawings(5), exhaustive=True, knobs=knobs, photos=photos)
    trials = record(found)["trials"]
    assert [trial["state"] for trial in trials] == ["complete", "complete", "failed", "complete", "complete"]
    assert "norm-only trains nothing" in trials[2]["problem"]
    for trial in trials:
        if trial["state"] == "failed":
            continue
        assert len(trial["folds"]) == 2
        for fold in trial["folds"]:
            assert len(fold) == 1
            assert fold[0]["step"] == trial["params"].get("steps", 4)
            assert set(fold[0]["kid"]) == {"random-steering", "colour-edge"}
            for kid in fold[0]["kid"].values():
                assert kid["low"] <= kid["value"] <= kid["high"]
                assert kid["n_x"] in (2, 3)
    assert trials[2]["problem"] in found.report.read_text().replace("&#39;", "'")


def test_a_budget_ends_the_study_and_its_seconds_are_counted(drawings: Drawings, photos: Path) -> None:
    long = ("steps=100000", "eval_every=2", "batch=2", "warmup_steps=1", "patience=0")
    folder = drawings(6)
    with pytest.raises(BadInputError, match="before any recipe") as caught:
        study(folder, overrides=long, rungs=1, minutes=0.02, photos=photos)
    assert "more --minutes" in caught.value.hint
    states = list((home() / "studies" / folder.name).glob("trials/0000/fold-0/state/state.pt"))
    assert len(states) == 1
    journal = (home() / "studies" / folder.name / "journal.log").read_text()
    assert '"partial-0"' in journal
    with pytest.raises(BadInputError, match="before any recipe"):
        study(folder, overrides=long, rungs=1, minutes=0.02, photos=photos)
    # Nothing is left of those seconds, so the second call has not trained.
    assert (home() / "studies" / folder.name / "journal.log").read_text().count("partial-0") == 1


@pytest.mark.parametrize("count", [1, 3])
def test_a_few_drawings_have_no_folds_and_it_says_so(
    count: int, drawings: Drawings, capsys: pytest.CaptureFixture[str]
) -> None:
    found = study(drawings(count), rungs=1)
    assert "no folds" in capsys.readouterr().err
    assert len(found.tried[0].folds) == 1
    assert "mirrored" in found.report.read_text()


def test_photos_of_the_user_are_kept_for_scoring(drawings: Drawings, photos: Path) -> None:
    found = study(drawings(5), rungs=1, photos=photos)
    assert found.tried[0].scores[0].content.n_y == 24
    assert record(found)["settings"]["photos"]
    # A study of that name about something else is not continued.
    with pytest.raises(ConflictError, match="other drawings and photos"):
        study(drawings(6), rungs=1, study=found.study)
    changed = (*SHORT, "lr=5e-3")
    with pytest.raises(ConflictError, match="other recipes"):
        study(drawings(5), rungs=1, study=found.study, photos=photos, overrides=changed)


def test_what_does_not_fit_together_is_refused_before_any_training(
    drawings: Drawings, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text("steps = 30\n")
    with pytest.raises(UsageError, match="no name"):
        study(drawings(5), retrain=True)
    with pytest.raises(UsageError, match="range for lr"):
        study(drawings(5), exhaustive=True, knobs=["lr=1e-3..1e-2"])
    with pytest.raises(UsageError, match="--trials 5"):
        study(drawings(5), trials=5)
    with pytest.raises(UsageError, match="--trials 1"):
        study(drawings(5), recipes=["quick", str(own)], trials=1)
    assert not (home() / "studies").exists()

"""What `select --dry-run` tells is what `select` then does."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.home import home
from fewshot.selection.plan import _alive, _brackets

SHORT = "steps=4 eval_every=2 batch=2 warmup_steps=1 by_parts=false crop=center patience=0".split()
ASKED = "--base scan_tiny --recipes quick,bold --folds 2 --rungs 2".split()

Drawings = Callable[..., Path]


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["select", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_dry_run_tells_what_would_be_tried_and_writes_nothing(drawings: Drawings) -> None:
    words = [str(drawings(6)), *SHORT, "--name", "mine", *ASKED, "--minutes", "0.01", "--dry-run"]
    facts = {row["what"]: row["value"] for row in json.loads(run(*words, "--format", "json"))}
    assert facts["drawings"] == "6 (folds of 3, 3)"
    assert facts["trials"] == "2"
    assert facts["recipe quick"].startswith("2 → 4 steps, ")
    assert "about 1 s by one process, from the start (without --minutes:" in facts["time"]
    assert facts["then"].startswith("mine with the winner")
    assert facts["writes"] == str(home() / "studies" / "mine")
    assert not (home() / "studies").exists()
    assert not (home() / "runs").exists()


def test_the_trainings_counted_are_those_that_are_done(drawings: Drawings) -> None:
    knobs = ["--knob", "lr=3e-4..3e-2", "--trials", "5", "--no-retrain", "--study", "counted"]
    rows = json.loads(run(str(drawings(6)), *SHORT, *ASKED, *knobs, "--format", "json"))
    done = Counter(row["steps"] for row in rows)
    counted: Counter[int] = Counter()
    for count in _brackets(2, 5):
        trained = [alive for alive, _ in _alive(count, 2)]
        counted += Counter({2: trained[0] - trained[1], 4: trained[1]})
    assert done == counted


@pytest.mark.parametrize(
    ("written", "trials", "expected"), [(5, 5, [5]), (1, 3, [1, 2]), (2, 13, [2, 9, 2]), (8, 8, [8])]
)
def test_brackets(written: int, trials: int, expected: list[int]) -> None:
    assert list(_brackets(written, trials)) == expected
    assert _alive(9, 3) == [(9, 0), (3, 1), (1, 2)]

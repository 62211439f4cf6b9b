"""What a person mistypes most is told before anything that trains is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot.samples import sample_folder

WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from fewshot.cli.main import run; run()"
INK = str(sample_folder("ink"))


def without_torch(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *words],
        env=os.environ | {"FEWSHOT_HOME": str(home)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["adapt", "nowhere", "--name", "new"], 4, "nowhere: no such folder"),
        (["adapt", INK, "--name", "taken"], 5, "there is a style 'taken' already"),
        (["adapt", INK, "--name", "begun"], 5, "there is an unfinished run 'begun'"),
        (["adapt", INK, "--name", "new", "--track", "mlflow"], 2, "there is no such tracker"),
        (["select", "nowhere", "--name", "new"], 4, "nowhere: no such folder"),
        (["select", INK, "--name", "new", "--track", "mlflow"], 2, "there is no such tracker"),
    ],
)
def test_mistakes_are_told_without_torch(tmp_path: Path, words: list[str], code: int, said: str) -> None:
    (tmp_path / "runs" / "taken" / "adapter").mkdir(parents=True)
    (tmp_path / "runs" / "begun" / "state").mkdir(parents=True)
    (tmp_path / "runs" / "begun" / "state" / "state.pt").touch()
    refused = without_torch(tmp_path, *words)
    assert refused.returncode == code, refused.stderr
    assert said in refused.stderr
    assert "hint: " in refused.stderr


def test_what_is_right_needs_it(tmp_path: Path) -> None:
    """Else the tests above would pass for any reason; a dry run may take a name that is taken."""
    (tmp_path / "runs" / "taken" / "adapter").mkdir(parents=True)
    for words in (["--name", "new"], ["--name", "taken", "--dry-run"]):
        assert "torch" in without_torch(tmp_path, "adapt", INK, *words).stderr

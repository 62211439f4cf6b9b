"""`fewshot recipes` and `fewshot env`."""

import json
import platform
import subprocess
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewshot.cli import env as env_verb
from fewshot.cli.main import app
from recipes import Recipe, load_recipe, loads

Cli = Callable[..., subprocess.CompletedProcess[str]]


def fewshot(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.stdout, result.stderr


def test_ls_shows_what_ships_and_the_users_own(fewshot_home: Path) -> None:
    (fewshot_home / "recipes").mkdir()
    (fewshot_home / "recipes" / "broken.toml").write_text("rank = 0\n")
    code, out, err = fewshot("recipes", "ls", "--format", "json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert (code, err) == (0, "")
    assert rows["quick"]["origin"] == "built-in"
    assert rows["quick"]["summary"] == load_recipe("quick").summary
    assert rows["broken"]["origin"] == "user"
    assert "validate broken" in rows["broken"]["summary"]


def test_ls_prints_paths_that_exist() -> None:
    code, out, _ = fewshot("recipes", "ls", "--format", "path")
    assert code == 0
    names = [Path(line).stem for line in out.splitlines()]
    assert names == sorted(names)
    assert {"quick", "single", "norm-only"} <= set(names)
    assert all(Path(line).is_file() for line in out.splitlines())


def test_cat_prints_a_whole_recipe_that_reads_back() -> None:
    code, out, _ = fewshot("recipes", "cat", "quick")
    assert code == 0
    assert loads(out, "cat") == load_recipe("quick")
    assert all(f"\n{name} = " in f"\n{out}" for name in Recipe.model_fields)


def test_cp_makes_a_recipe_of_the_users(fewshot_home: Path) -> None:
    code, out, err = fewshot("recipes", "cp", "quick", "mine")
    target = fewshot_home / "recipes" / "mine.toml"
    assert (code, out) == (0, f"{target}\n")
    assert "copied quick" in err
    copy = load_recipe("mine", fewshot_home / "recipes")
    assert copy == load_recipe("quick").model_copy(update={"name": "mine"})
    text = target.read_text()
    assert text.startswith("# quick: ")
    assert "--recipe quick" not in text
    assert "--name mine --recipe mine steps=" in text
    assert "`fewshot recipes cat mine`" in text


def test_cp_takes_the_old_name_out_wherever_it_stands(tmp_path: Path) -> None:
    (tmp_path / "old.toml").write_text('summary = "s"\n"name" = "a"')
    assert fewshot("recipes", "cp", str(tmp_path / "old.toml"), str(tmp_path / "new.toml"))[0] == 0
    assert (tmp_path / "new.toml").read_text() == 'summary = "s"\n'


def test_paths_that_cannot_be_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.toml").mkdir()
    (tmp_path / "b.txt").write_text("")
    for path in (tmp_path / "a.toml", tmp_path / "b.txt" / "x.toml", tmp_path / f"{'a' * 300}.toml"):
        code, _, err = fewshot("recipes", "cp", "quick", str(path), "--force")
        assert code == 3
        assert "bug" not in err


def test_cp_never_overwrites_unasked(fewshot_home: Path, tmp_path: Path) -> None:
    assert fewshot("recipes", "cp", "quick", "mine")[0] == 0
    code, out, err = fewshot("recipes", "cp", "quick", "mine")
    assert (code, out) == (5, "")
    assert "--force" in err
    assert fewshot("recipes", "cp", "quick", "mine", "--force")[0] == 0
    assert fewshot("recipes", "cp", "quick", "quick")[0] == 5
    assert fewshot("recipes", "cp", "quick", "a/b")[0] == 2
    path = tmp_path / "deep" / "x.toml"
    assert fewshot("recipes", "cp", "quick", str(path))[0] == 0
    assert load_recipe(path).name == "x"


def test_validate_names_all_mistakes_and_passes_the_good(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('rank = 0\nlamda_gan = 1.0\nsteps = "many"\n')
    code, out, err = fewshot("recipes", "validate", str(bad), "quick", "--format", "json")
    assert code == 3
    assert [row["name"] for row in json.loads(out)] == ["quick"]
    assert "line 1, rank: found 0" in err
    assert "line 2, lamda_gan: unknown field; did you mean 'lambda_gan'?" in err
    assert "line 3, steps: found 'many'" in err
    idle = tmp_path / "idle.toml"
    idle.write_text("lambda_swd = 0.0\nlambda_even = 1.0\n")
    code, _, err = fewshot("recipes", "validate", str(idle))
    assert code == 0
    assert "it sets what has no effect: lambda_even needs" in " ".join(err.split())


@pytest.mark.parametrize(("name", "code"), [("quikc", 4), ("./none.toml", 4)])
def test_a_missing_recipe_is_not_found(cli: Cli, name: str, code: int) -> None:
    result = cli("recipes", "cat", name)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")
    assert "hint: " in result.stderr
    assert "Traceback" not in result.stderr


def test_env_tells_versions_devices_and_paths(cli: Cli, fewshot_home: Path) -> None:
    result = cli("env", "--format", "json")
    facts = {row["what"]: row["value"] for row in json.loads(result.stdout)}
    assert result.returncode == 0
    assert facts["python"] == platform.python_version()
    for package in ("torch", "peft", "timm", "faiss-cpu", "opencv-python-headless"):
        assert facts[package] == version(package)
    assert "threads" in facts["cpu"]
    assert facts["home"] == f"{fewshot_home} (FEWSHOT_HOME)"


def test_env_names_a_torchvision_of_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(env_verb, "_requirements", lambda name: {"torch": "==1.0.0"})
    (clash,) = env_verb._torchvision_clash()
    assert "built for torch 1.0.0" in clash
    assert "pip install" in clash


@pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="no /proc, a folder that even root cannot write to"
)
def test_env_names_a_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_HOME", "/proc/fewshot")
    assert ["/proc is not writable" in clash for clash in env_verb._home_clash()] == [True]

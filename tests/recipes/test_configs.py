"""Every shipped recipe: it loads, its hash follows its values alone, it prints and reads back, it trains."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from typer.testing import CliRunner

from base_models.registry import create_model
from fewshot.cli.main import app
from fewshot.data.style_set import StyleSet
from fewshot.samples import sample_folder
from fewshot.training.adaptation import Adaptation
from recipes import Recipe, apply_overrides, dumps, load_recipe, loads, recipe_hash
from recipes.registry import CONFIGS

NAMES = sorted(path.stem for path in CONFIGS.glob("*.toml"))
VARIANTS = ("rslora", "lokr", "loha", "boft", "norm-only", "full")
WANTED = {"quick", "balanced", "faithful", "bold", "single", "lineart", *VARIANTS}


def test_the_recipes_of_each_kind_ship() -> None:
    assert set(NAMES) >= WANTED


def test_no_two_recipes_are_the_same() -> None:
    hashes = {name: recipe_hash(load_recipe(name)) for name in NAMES}
    assert len(set(hashes.values())) == len(hashes)


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_is_of_the_values(name: str) -> None:
    text = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8")
    bare = "\n".join(sorted(line for line in text.splitlines() if re.match(r"\w+ = ", line)))
    recipe = load_recipe(name)
    assert recipe_hash(loads(bare, "bare", "another name")) == recipe_hash(recipe)
    assert recipe_hash(apply_overrides(recipe, ["seed=1"])) != recipe_hash(recipe)


@pytest.mark.parametrize("name", NAMES)
def test_cat_reads_back(name: str) -> None:
    result = CliRunner().invoke(app, ["recipes", "cat", name])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == dumps(load_recipe(name))
    assert loads(result.stdout, "cat") == load_recipe(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_header_has_its_parts_and_commands_that_would_run(name: str) -> None:
    lines = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8").splitlines()
    header = [line for line in lines[: lines.index("")] if line != "#"]
    words = [match.group(1) for line in header if (match := re.match(r"# (\w+)[^:]*:  ", line))]
    assert words == ["When", "Cost", "Run", "Change"]
    assert max(map(len, lines)) <= 120
    commands = [line.split("fewshot adapt ")[1].split() for line in header if "fewshot adapt " in line]
    run, changed = commands
    assert run[run.index("--recipe") + 1] == changed[changed.index("--recipe") + 1] == name
    overrides = [word for word in changed if "=" in word]
    assert overrides
    assert recipe_hash(apply_overrides(load_recipe(name), overrides)) != recipe_hash(load_recipe(name))


@pytest.mark.parametrize("name", NAMES)
def test_costs_are_those_of_the_values(name: str) -> None:
    recipe = load_recipe(name)
    header = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8").split("\n\n")[0]
    cost = header.split("# Cost:")[1].split("# Run:")[0]
    assert f"{recipe.steps} steps" in cost
    assert f"{recipe.max_minutes:g}" in cost


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_quick_but_for_its_method(name: str) -> None:
    own, quick = (dict(load_recipe(other)) for other in (name, "quick"))
    changed = {field for field in own if own[field] != quick[field]}
    assert own["method"] == name
    allowed = {"norm-only": {"lr"}, "full": {"lr"}, "boft": {"max_minutes"}}.get(name, set())
    assert changed <= {"name", "summary", "method", "rank", "alpha"} | allowed


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three drawings, which every recipe takes."""
    folder = tmp_path_factory.mktemp("drawings")
    for path in sorted(sample_folder("ink").glob("*.webp"))[:3]:
        shutil.copy(path, folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_of_training_run(name: str, drawings: Path, tmp_path: Path) -> None:
    recipe: Recipe = apply_overrides(load_recipe(name), ["batch=2", "warmup_steps=0"])
    style_set = StyleSet.from_folder(drawings, size=32)
    job = Adaptation(
        style_set, create_model("scan_tiny"), recipe, None, tmp_path / "run", Accelerator(cpu=True)
    )
    before = job.trainer.adapter_tensors()
    losses = [job.trainer.step(number) for number in range(2)]
    assert all(torch.isfinite(torch.tensor(list(step.values()))).all() for step in losses)
    weights = {field: value for field, value in recipe if field.startswith("lambda_") and value}
    named = {f"lambda_{loss}" for loss in losses[0] if not loss.startswith("D_")}
    assert named - {"lambda_grey", "lambda_seams"} == set(weights)
    assert ("seams" in losses[0]) == ("lambda_even" in weights)
    assert ("lambda_grey" in named) == recipe.grey
    after = job.trainer.adapter_tensors()
    assert any(not torch.equal(before[key], after[key]) for key in after)

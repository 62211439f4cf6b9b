"""House rules that a machine can check: sizes, model cards, and what no tracked text may say."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fewshot", "base_models", "eval", "recipes")
MAX_LINES = 250
MAX_README_LINES = 200
MAX_WEIGHT_BYTES = 16_000_000
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".html", ".css", ".js", ".cfg", ".svg", ""}

# Split, so that this file does not contain what it looks for.
FORBIDDEN = {
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:" + "work|root|opt|mnt|Users" + r")/\w|/home/(?!user\b)\w"
    ),
    "a package index": re.compile("file:" + "///|" + "extra-index" + "-url|" + "--index" + "-url"),
    "a secret": re.compile(r"\b(?:sk|ghp|hf)_[A-Za-z0-9]{20,}|BEGIN [A-Z ]*" + "PRIVATE KEY"),
    "how it was made": re.compile(
        r"(?i)\bissue #?\d|\bthis " + r"session\b|\bclau" + r"de\b|\bco-authored" + "-by"
    ),
}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that git tracks or would track; skips outside a checkout."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def test_no_source_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_every_package_folder_is_a_package() -> None:
    bare = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert [str(folder) for folder in sorted(bare) if not (folder / "__init__.py").is_file()] == []


def test_tracked_text_speaks_of_the_project_alone() -> None:
    found = []
    for path in tracked():
        if path.suffix not in TEXT:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            found += [
                f"{path.relative_to(ROOT)}:{number}: {what}"
                for what, rule in FORBIDDEN.items()
                if rule.search(line)
            ]
    assert found == []


@pytest.mark.parametrize(
    "line", ["see /" + "work/main/x", "/home" + "/anna/x", "fixes iss" + "ue #12", "hf" + "_" + "a" * 30]
)
def test_the_rules_find_what_they_forbid(line: str) -> None:
    assert any(rule.search(line) for rule in FORBIDDEN.values())


@pytest.mark.parametrize(
    "line", ["https://example.org/work/1", "the issue is speed", "a/root/b", "eval/features.py"]
)
def test_the_rules_let_ordinary_text_pass(line: str) -> None:
    assert not any(rule.search(line) for rule in FORBIDDEN.values())


def test_the_readme_is_short_and_runs_early() -> None:
    readme = ROOT / "README.md"
    if not readme.is_file():
        pytest.skip("no README.md")
    lines = readme.read_text(encoding="utf-8").splitlines()
    assert len(lines) < MAX_README_LINES
    assert any(line.startswith("```") for line in lines[:35]), "no code before line 35"


def test_every_weight_is_small_and_has_a_card() -> None:
    weights = [path for path in tracked() if path.suffix == ".safetensors" and "weights" in path.parts]
    wrong = [
        f"{path.relative_to(ROOT)}: {problem}"
        for path in weights
        for problem, holds in (
            ("over 16 MB", path.stat().st_size > MAX_WEIGHT_BYTES),
            ("no card of the same name (.md)", not _card(path).is_file()),
        )
        if holds
    ]
    assert wrong == []


def _card(weights: Path) -> Path:
    """Discriminators share the card of the base that they were trained with."""
    return weights.with_name(weights.name.replace(".netD.", ".")).with_suffix(".md")


def test_no_large_or_binary_surprise_is_tracked() -> None:
    large = {
        str(path.relative_to(ROOT)): path.stat().st_size
        for path in tracked()
        if path.suffix != ".safetensors" and path.stat().st_size > 3_000_000
    }
    assert large == {}

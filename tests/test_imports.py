"""The direction of imports, read from the source, and what start-up loads, seen from outside."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("fewshot", "base_models", "eval", "recipes")
HEAVY = (
    "torch",
    "torchvision",
    "peft",
    "timm",
    "faiss",
    "cv2",
    "sklearn",
    "skimage",
    "scipy",
    "accelerate",
    "wandb",
    "optuna",
    "sqlalchemy",
    "psycopg",
)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the full name of every module that `tree` imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def at_start(tree: ast.Module) -> Iterator[str]:
    """Yield what is imported when the module itself is: outside functions and outside `if TYPE_CHECKING`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from imported(node)
        waiting.extend(ast.iter_child_nodes(node))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def top(name: str) -> str:
    return name.split(".")[0]


def test_the_readers_see_what_they_should() -> None:
    tree = ast.parse(
        "import a.b\nif TYPE_CHECKING:\n    import c\n"
        "try:\n    from d.e import f\nexcept ImportError:\n    import g\n"
        "class K:\n    import h\n    def m(self):\n        import i\n"
    )
    assert set(imported(tree)) == {"a.b", "c", "d.e", "g", "h", "i"}
    assert set(at_start(tree)) == {"a.b", "d.e", "g", "h"}


@pytest.mark.parametrize("package", ["base_models", "eval", "recipes"])
def test_lower_floors_import_nothing_of_ours(package: str) -> None:
    others = set(PACKAGES) - {package}
    upward = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for name in imported(parse(path))
        if top(name) in others
    ]
    assert upward == []


def test_recipes_need_the_standard_library_and_pydantic_only() -> None:
    allowed = {*sys.stdlib_module_names, "pydantic", "recipes"}
    names = {top(name) for path in sources("recipes") for name in imported(parse(path))}
    assert names - allowed == set()


def test_faiss_is_imported_by_retrieval_only() -> None:
    users = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sources(package)
        if "faiss" in map(top, imported(parse(path)))
    }
    assert users <= {"eval/retrieval.py"}


def test_nothing_hides_the_builtin_eval() -> None:
    hiding = [
        str(path.relative_to(ROOT))
        for folder in (*PACKAGES, "tests")
        for path in sources(folder)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.Import)
        and any(alias.name == "eval" and not alias.asname for alias in node.names)
    ]
    assert hiding == []


@pytest.mark.parametrize("path", sources("fewshot/cli"), ids=lambda path: path.stem)
def test_verbs_import_nothing_heavy_at_module_level(path: Path) -> None:
    assert set(map(top, at_start(parse(path)))) & {*HEAVY, "numpy", "PIL", "pydantic"} == set()


@pytest.mark.parametrize(
    "module", ["fewshot", "fewshot.cli.main", "base_models", "base_models.registry", "recipes"]
)
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set(sys.modules) & {set(HEAVY)!r}))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert result.stdout.split() == []

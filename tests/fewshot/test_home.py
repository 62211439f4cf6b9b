"""Where files go, and which names can be folders."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import UsageError
from fewshot.home import cache_folder, check_name, home, recipes_folder, run_folder


def test_home_is_the_variable_when_set(fewshot_home: Path) -> None:
    assert home() == fewshot_home
    assert run_folder("mine") == fewshot_home / "runs" / "mine"
    assert cache_folder() == fewshot_home / "cache"
    assert recipes_folder() == fewshot_home / "recipes"


def test_a_file_is_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FEWSHOT_HOME", str(tmp_path / "file"))
    with pytest.raises(UsageError, match="which is a file"):
        home()


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FEWSHOT_HOME", " ")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home().is_absolute()
    assert home().name == "fewshot"
    assert not home().exists()


def test_a_tilde_and_a_relative_path_become_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEWSHOT_HOME", "~/styles")
    assert home() == Path.home() / "styles"
    monkeypatch.setenv("FEWSHOT_HOME", "styles")
    assert home() == Path.cwd() / "styles"


@pytest.mark.parametrize("name", ["mine", "Anna_2", "v1.2-b", "日本語", "Ünïcödé", "हिन्दी", "_x", "con2"])
def test_names_of_any_script_are_folders(name: str, tmp_path: Path) -> None:
    checked = check_name(name)
    assert checked == unicodedata.normalize("NFC", name)
    (tmp_path / checked).mkdir()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("", "is empty"),
        (".", "starts with"),
        ("..", "starts with"),
        (".hidden", "starts with"),
        ("-rf", "starts with"),
        ("a/b", "contains '/'"),
        ("a\\b", "contains"),
        ("a:2", "contains ':'"),
        ("a@b", "contains '@'"),
        ("a b", "contains ' '"),
        ("a\0", "contains"),
        ("a\n", "contains"),
        ("dot.", "ends with"),
        ("CON", "reserved"),
        ("nul.txt", "reserved"),
        ("lpt9", "reserved"),
        ("é" * 101, "202 bytes"),
    ],
)
def test_other_names_are_refused_with_the_reason(name: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        check_name(name)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_one_word_typed_on_two_systems_is_one_folder() -> None:
    assert run_folder("cafe\u0301") == run_folder("caf\u00e9")


@given(st.text(max_size=30))
def test_whatever_passes_stays_inside_its_folder(name: str) -> None:
    try:
        folder = run_folder(name)
    except UsageError:
        return
    assert folder.parent == home() / "runs"
    assert check_name(folder.name) == folder.name

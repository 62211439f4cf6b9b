"""What the words after --style mean."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.adapters.adapter import Adapter, read_adapter
from fewshot.adapters.files import seal
from fewshot.errors import IntegrityError, NotFoundError, UsageError
from fewshot.home import run_folder
from fewshot.styles import finished_runs, load_style, parse_style, resolve_style

MakeStyle = Callable[..., Adapter]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ink", ("ink", 1.0)),
        ("ink:0.6", ("ink", 0.6)),
        ("ink:0", ("ink", 0.0)),
        ("ink:2", ("ink", 2.0)),
        ("ink@final:1.5", ("ink@final", 1.5)),
        ("墨絵:0.5", ("墨絵", 0.5)),
        ("C:\\styles\\ink", ("C:\\styles\\ink", 1.0)),
        ("C:\\styles\\ink:0.25", ("C:\\styles\\ink", 0.25)),
        ("C:/styles/ink", ("C:/styles/ink", 1.0)),
        ("./12:30/ink", ("./12:30/ink", 1.0)),
        ("./12:30/ink:.5", ("./12:30/ink", 0.5)),
    ],
)
def test_name_and_weight_are_split(text: str, expected: tuple[str, float]) -> None:
    assert parse_style(text) == expected


@pytest.mark.parametrize(
    "text", ["", ":0.5", "ink:", "ink:much", "ink:-0.1", "ink:2.01", "ink:nan", "ink:inf"]
)
def test_what_is_no_style_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_style(text)
    assert caught.value.hint


@given(st.floats(0, 2))
def test_any_weight_in_range_survives(weight: float) -> None:
    assert parse_style(f"ink:{weight!r}") == ("ink", weight)


def test_a_folder_of_exactly_that_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ink:0.5").mkdir()
    assert parse_style("ink:0.5") == ("ink:0.5", 1.0)


def test_a_run_is_found_by_name_and_by_path(make_style: MakeStyle, tmp_path: Path) -> None:
    adapter: Adapter = make_style("墨絵 2".replace(" ", "_"))
    run = run_folder("墨絵_2")
    for ref in ("墨絵_2", str(run), str(run / "adapter")):
        assert resolve_style(ref) == (run / "adapter", None)
        assert load_style(ref).sha256 == adapter.sha256
    assert finished_runs() == ["墨絵_2"]


def test_a_folder_of_drawings_of_that_name_does_not_hide_the_run(
    make_style: MakeStyle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_style("ink")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ink").mkdir()
    assert resolve_style("ink")[0] == run_folder("ink") / "adapter"


def test_an_unknown_style_suggests_the_nearest(make_style: MakeStyle) -> None:
    make_style("lorelei")
    with pytest.raises(NotFoundError, match="no style 'lorelie'") as caught:
        resolve_style("lorelie")
    assert caught.value.hint == "did you mean lorelei?"
    with pytest.raises(NotFoundError) as caught:
        resolve_style("zzz")
    assert "lorelei" in caught.value.hint


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("nobody", "no style"),
        ("./nobody", "no such folder"),
        ("a b!", "no style"),
        ("~/nobody", "no such folder"),
    ],
)
def test_what_is_not_there_says_what_to_do(ref: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message) as caught:
        resolve_style(ref)
    assert caught.value.hint


def test_a_folder_without_adapter_and_an_unfinished_run_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no adapter in it"):
        resolve_style(str(tmp_path))
    (run_folder("half") / "state").mkdir(parents=True)
    with pytest.raises(NotFoundError, match="no finished adapter") as caught:
        resolve_style("half")
    assert "--resume" in caught.value.hint


@pytest.mark.parametrize("sealed", [True, False])
def test_withdrawn_consent_refuses(make_style: MakeStyle, sealed: bool) -> None:
    path = make_style("ink").folder / "adapter.json"
    record = json.loads(path.read_text()) | {"consent": "withdrawn"}
    path.write_text(json.dumps(seal(record) if sealed else record))
    assert read_adapter(path.parent).consent.status == "withdrawn"
    with pytest.raises(IntegrityError, match="consent is withdrawn"):
        load_style("ink")


def test_consent_cannot_be_given_back_by_hand(make_style: MakeStyle) -> None:
    path = make_style("ink", consent="withdrawn").folder / "adapter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"consent": "granted"}))
    with pytest.raises(IntegrityError, match=r"adapter\.json: was changed"):
        load_style("ink")

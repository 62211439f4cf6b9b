"""Three languages that say the same."""

import re
from pathlib import Path

import pytest

import fewshot.web
from fewshot.web.words import LANGUAGES, negotiate, words

FOLDER = Path(fewshot.web.__file__).parent


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: str) -> None:
    english, other = words("en"), words(language)
    assert list(other) == list(english)
    for key, text in other.items():
        assert text.strip(), key
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[key])), key


def test_every_word_is_used_and_every_used_one_is_there() -> None:
    used: set[str] = set()
    for path in [*FOLDER.glob("templates/*.html"), *FOLDER.glob("static/*.js")]:
        text = path.read_text()
        used |= set(re.findall(r"\bw\.(\w+)", text)) | set(re.findall(r'word\(\s*"(\w+)"', text))
        used |= {f"nav_{name}" for name in re.findall(r'\("/\w*", "(\w+)"\)', text)}
        used |= set(re.findall(r'^\s*\(?"(\w+)", card', text, re.M)) | set(re.findall(r'\("(\w+)", c', text))
        for pair in re.findall(r'word\([^)]*\? "(\w+)" : "(\w+)"', text):
            used |= set(pair)
    assert used - set(words("en")) == set()
    assert set(words("en")) - used == set()


@pytest.mark.parametrize(
    ("accepted", "chosen", "expected"),
    [
        ("", "", "en"),
        ("ja", "", "ja"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "", "zh"),
        ("de,fr;q=0.9", "", "en"),
        ("de,ja;q=0.2,en;q=0.1", "", "ja"),
        ("en;q=0.1, zh;q=0.5", "", "zh"),
        ("zh;q=0,ja;q=x,*", "", "en"),
        ("ja", "zh", "zh"),
        ("ja", "xx", "ja"),
        (";;;,,,=", "", "en"),
    ],
)
def test_the_browser_is_answered_in_its_language(accepted: str, chosen: str, expected: str) -> None:
    assert negotiate(accepted, chosen) == expected

"""Every statistic has words of its own for more and for less of it."""

import json
from importlib import resources

import pytest

from fewshot.data.wording import in_words

NAMES: list[str] = json.loads(resources.files("fewshot.data").joinpath("hand_scale.json").read_text())[
    "names"
]


@pytest.mark.parametrize("name", NAMES)
def test_every_statistic_has_words(name: str) -> None:
    more, less = in_words(name, more=True), in_words(name, more=False)
    assert more != less
    for words in (more, less):
        assert ":" not in words
        assert not {"share", "spread", "evenness", "median"} & set(words.replace("(", "").split())


def test_words_point_the_right_way() -> None:
    assert in_words("tone: white share", more=True) == "more white"
    assert in_words("lines: thin share", more=False) == "thicker lines"
    assert in_words("unheard of", more=True) == "unheard of higher"

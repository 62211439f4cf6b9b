"""What the pages say, in the visitor's language: English, Chinese and Japanese."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

LANGUAGES = {"en": "English", "zh": "中文", "ja": "日本語"}


@cache
def words(language: str) -> dict[str, str]:
    """Every text of the pages by its key."""
    return tomllib.loads((files("fewshot.web") / "words" / f"{language}.toml").read_text("utf-8"))


def negotiate(accepted: str, chosen: str = "") -> str:
    """The language to answer in.

    Args:
        accepted: the browser's Accept-Language, such as `ja,en-US;q=0.7` (RFC 9110, 12.5.4).
        chosen: what the visitor chose on the page; counts first.
    """
    if chosen in LANGUAGES:
        return chosen
    weighed = []
    for place, part in enumerate(accepted.split(",")):
        tag, _, parameter = part.strip().partition(";")
        language = tag.strip().partition("-")[0].lower()
        if language in LANGUAGES:
            weighed.append((-_quality(parameter), place, language))
    best = min(weighed, default=(0.0, 0, "en"))
    return best[2] if best[0] < 0 or not weighed else "en"


def _quality(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0

"""`fewshot eval style` and the report's style rank with the hands that the extractor `style` knows."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from eval.features import get_extractor
from fewshot.cli.main import app
from fewshot.evaluation.comparison import compare
from fewshot.evaluation.gallery import known_hands
from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder

INK, FLAT, RISO = (sample_folder(hand) for hand in ("ink", "flat", "riso"))
STYLE = ["--extractor", "style", "--size", "128"]


def measure(*arguments: str | Path) -> tuple[dict[str, dict[str, Any]], str]:
    """Rows by the name of their measure, and what stderr says."""
    result = CliRunner().invoke(app, ["eval", "style", *map(str, arguments), "--format", "json"])
    assert result.exit_code == 0, result.stderr
    return {row["measure"]: row for row in json.loads(result.stdout)}, result.stderr


def test_pictures_alone_are_compared_with_the_shipped_hands_which_are_credited() -> None:
    found, err = measure(INK, *STYLE)
    gallery = known_hands(get_extractor("style"))
    assert set(found) == {f"{name}, shipped: nearest" for name in gallery.vectors}
    assert sum(row["value"] for row in found.values()) == pytest.approx(1)
    for name, credit in gallery.attributions.items():
        assert f"{name}, shipped: {credit}" in err


def test_an_artist_is_ranked_among_the_shipped_hands(tmp_path: Path) -> None:
    found, _ = measure(RISO / "00*.webp", "--among", RISO / "01*.webp", *STYLE)
    assert "chance 0.14" in found["01*.webp: nearest"]["notes"]
    assert found["01*.webp: nearest"]["low"] > 1 / 7
    assert len(found) == 8
    # Other extractors know nobody.
    among = ("--among", RISO / "01*.webp", "--among", FLAT)
    plain, _ = measure(RISO / "00*.webp", *among, "--extractor", "random")
    assert len(plain) == 4


def test_a_style_measured_by_style_needs_no_other_artists() -> None:
    ink, flat = gather(INK, 128), gather(FLAT, 128)
    found = compare(
        ink.pixels[:8], flat.pixels[:8], flat.pixels[:8], ink.pixels[8:], {}, extractors=["style"]
    )
    rank = found.find("style top-1", "style")
    assert rank is not None
    assert rank.chance == pytest.approx(1 / 7)
    assert rank.style.value > rank.base.value
    assert any("David Revoy" in note for note in found.notes)

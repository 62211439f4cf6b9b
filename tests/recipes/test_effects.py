"""What is set and does nothing is told, and only that; headers say what the files do."""

import re

import pytest

from recipes import apply_overrides, idle_fields, list_recipes, load_recipe


@pytest.mark.parametrize("name", [file.name for file in list_recipes()])
def test_no_shipped_recipe_sets_what_has_no_effect(name: str) -> None:
    assert idle_fields(load_recipe(name)) == []


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["lambda_swd=0"], ["lambda_even and lambda_flat"]),
        (["swd_target=all", "lambda_even=0"], ["lambda_flat"]),
        (["by_parts=false"], ["lambda_even and lambda_flat"]),
        (["by_parts=false", "lambda_even=0", "lambda_flat=0"], []),
        (["d_start=base", "lambda_gan=0"], ["lambda_gan"]),
        (["d_start=base", "d_channels=64"], ["d_channels"]),
    ],
)
def test_what_has_no_effect_is_told(overrides: list[str], words: list[str]) -> None:
    found = idle_fields(apply_overrides(load_recipe("quick"), overrides))
    assert len(found) == len(words)
    assert all(word in said for word, said in zip(words, found, strict=True))


def test_faithful_and_bold_hold_as_they_say() -> None:
    """Their headers compare them with `quick`."""
    quick, faithful, bold = (load_recipe(name) for name in ("quick", "faithful", "bold"))
    header = next(file.path.read_text() for file in list_recipes() if file.name == "faithful")
    assert re.search(r"at ten times `quick`'s weight", header)
    assert faithful.lambda_content == 10 * quick.lambda_content
    assert (faithful.lambda_gan, faithful.lambda_feature) == (quick.lambda_gan / 3, 0)
    assert bold.lambda_content == 0.5 * quick.lambda_content
    assert bold.lambda_tone == pytest.approx(0.4 * quick.lambda_tone)

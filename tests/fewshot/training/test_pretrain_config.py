"""Settings of base training: every mistake is named at once."""

import math

import pytest

from fewshot.data.augment import POLICIES
from fewshot.errors import UsageError
from fewshot.training.pretrain_config import AUGMENTATIONS, PretrainConfig


def test_the_defaults_fit_once_a_limit_is_given() -> None:
    PretrainConfig(minutes=1).validate(2)
    PretrainConfig(steps=(1, 1)).validate(2)
    PretrainConfig(minutes=1, share=(0.5, 0.5), augment=AUGMENTATIONS).validate(2)


def test_the_names_of_augmentations_are_those_that_exist() -> None:
    assert set(AUGMENTATIONS) == set(POLICIES)


def test_all_mistakes_come_together() -> None:
    config = PretrainConfig(
        batch=0, lr=-1.0, lambda_cycle=-1, steps=(3,), share=(0.5, 0.0), ema=1.0, pool=-1, augment=("spin",)
    )
    with pytest.raises(UsageError) as error:
        config.validate(2)
    for name in ("batch", "lr", "lambda_cycle", "steps", "share", "ema", "pool", "spin"):
        assert name in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"minutes": -1.0},
        {"minutes": math.nan},
        {"minutes": math.inf},
        {"minutes": 1, "lr": math.nan},
        {"minutes": 1, "lambda_content": math.inf},
        {"minutes": 1, "margin": 0.9},
        {"steps": (1, 0)},
        {"minutes": 1, "share": (0, 1)},
        {"minutes": 1, "share": (0, 0), "start": "scan_128.anime"},
        {"minutes": 1, "share": (-1, 1), "start": "scan_128.anime"},
        {"steps": (1, 1), "save_every": 0.0},
    ],
)
def test_single_mistakes(options: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        PretrainConfig(**options).validate(2)  # type: ignore[arg-type]


def test_minutes_are_shared_among_stages() -> None:
    assert PretrainConfig(minutes=10, share=(3, 1)).stage_minutes(2) == [7.5, 2.5]
    assert PretrainConfig(minutes=10).stage_minutes(2) == [5, 5]
    assert PretrainConfig(steps=(1, 1)).stage_minutes(2) == [math.inf, math.inf]


def test_a_stage_that_another_base_gives_needs_no_minutes() -> None:
    config = PretrainConfig(minutes=10, share=(0, 1), start="scan_128.anime")
    config.validate(2)
    assert config.stage_minutes(2) == [0, 10]

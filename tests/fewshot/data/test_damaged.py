"""Files cut off or with flipped bytes: a picture or BadInputError, nothing else, and no word on stderr."""

import io
import os
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.data.pictures import open_picture
from fewshot.errors import BadInputError

FORMATS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "JPEG": {"quality": 90},
    "WEBP": {"quality": 80},
    "GIF": {},
    "TIFF": {"compression": "tiff_lzw"},
    "AVIF": {"quality": 50},
}

_whole: dict[str, bytes] = {}


def whole(makers: ModuleType, kind: str) -> bytes:
    if kind not in _whole:
        buffer = io.BytesIO()
        makers.drawing(hand="paint", size=(48, 40)).save(buffer, format=kind, **FORMATS[kind])
        _whole[kind] = buffer.getvalue()
    return _whole[kind]


def try_to_open(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        image = open_picture(path)
    except BadInputError as error:
        message = str(error)
    else:
        message = path.name
        assert image.mode == "RGB"
    assert path.name in message
    assert "\n" not in message


def damage(data: bytes, cut: float, flips: list[tuple[float, int]]) -> bytes:
    damaged = bytearray(data[: round(len(data) * cut)])
    for where, value in flips:
        if damaged:
            damaged[int(where * len(damaged))] ^= value
    return bytes(damaged)


places = st.floats(0, 1, exclude_max=True)


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP"]),
    cut=st.one_of(st.just(1.0), st.floats(0, 1)),
    flips=st.lists(st.tuples(places, st.integers(1, 255)), max_size=6),
)
def test_random_damage_is_a_picture_or_bad_input(
    tmp_path: Path, makers: ModuleType, kind: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    try_to_open(tmp_path / f"drawing.{kind.lower()}", damage(whole(makers, kind), cut, flips))


@pytest.mark.soak
@pytest.mark.parametrize("kind", sorted(FORMATS))
def test_many_damaged_files(
    tmp_path: Path, makers: ModuleType, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(f"{os.environ.get('SOAK_SEED', '0')}:{kind}")
    for _ in range(int(os.environ.get("SOAK_COUNT", "60"))):
        cut = 1.0 if chance.random() < 0.6 else chance.random()
        # Half of the flips fall into the head, where a reader decides what to believe.
        reach = 0.1 if chance.random() < 0.5 else 1.0
        flips = [(chance.random() * reach, chance.randrange(1, 256)) for _ in range(chance.randrange(5))]
        try_to_open(tmp_path / "drawing.png", damage(whole(makers, kind), cut, flips))
    assert capfd.readouterr() == ("", "")

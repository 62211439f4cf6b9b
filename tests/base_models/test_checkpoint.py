"""The checkpoint file: what goes in comes out, and no flipped byte goes unnoticed."""

import json
import random
import struct
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from base_models import CheckpointError, create_model, list_models
from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import (
    BaseModel,
    content_sha256,
    load_checkpoint,
    random_model,
    save_checkpoint,
)
from base_models.registry import HEADER_KEY, discriminators_path

FACTS = {"minutes": 1.5, "lr": 3e-05, "pairs": 12}


def content(model: BaseModel) -> bytes:
    nets: dict[str, torch.nn.Module] = {"netG_A": model.netG_A, "netG_B": model.netG_B}
    architecture = ARCHITECTURES["scan_tiny"]
    return save_checkpoint("scan_tiny.x", architecture, nets, training=FACTS, licence="CC0, Zoë")


def discriminators(model: BaseModel, belongs_to: str) -> bytes:
    assert model.netD_A is not None
    assert model.netD_B is not None
    nets: dict[str, torch.nn.Module] = {"netD_A": model.netD_A, "netD_B": model.netD_B}
    architecture = ARCHITECTURES["scan_tiny"]
    return save_checkpoint(
        "scan_tiny.x", architecture, nets, training=FACTS, licence="CC0", belongs_to=belongs_to
    )


@pytest.fixture(scope="module")
def data() -> bytes:
    return content(random_model("scan_tiny", 3))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("base") / "scan_tiny.x.safetensors"


def header_end(data: bytes) -> int:
    return 8 + int(struct.unpack("<Q", data[:8])[0])


def flipped(data: bytes, position: int, mask: int) -> bytes:
    return data[:position] + bytes([data[position] ^ mask]) + data[position + 1 :]


@pytest.mark.parametrize("beside", [True, False])
def test_a_round_trip_keeps_everything_to_half_precision(tmp_path: Path, beside: bool) -> None:
    model, path = random_model("scan_tiny", 3), tmp_path / "scan_tiny.x.safetensors"
    path.write_bytes(content(model))
    if beside:
        belongs_to = content_sha256(path.read_bytes())
        discriminators_path(path).write_bytes(discriminators(model, belongs_to))
    loaded = create_model(path)
    for name in ("netG_A", "netG_B", "netD_A", "netD_B") if beside else ("netG_A", "netG_B"):
        before, after = getattr(model, name).state_dict(), getattr(loaded, name).state_dict()
        assert all(torch.equal(before[key].half().float(), after[key]) for key in before)
    assert (loaded.netD_A is None) == (loaded.netD_B is None) == (not beside)
    assert (loaded.name, loaded.netG_A.name_or_path) == ("scan_tiny.x", "scan_tiny.x")
    assert loaded.header["training"] == FACTS
    assert loaded.header["licence"] == "CC0, Zoë"
    assert loaded.header["stage_sizes"] == [16, 32]
    assert not loaded.netG_A.training


def test_discriminators_of_other_weights_are_refused(tmp_path: Path) -> None:
    model, path = random_model("scan_tiny", 3), tmp_path / "scan_tiny.x.safetensors"
    path.write_bytes(content(model))
    beside = discriminators_path(path)
    assert beside.name == "scan_tiny.x.netD.safetensors"
    beside.write_bytes(discriminators(model, "0" * 64))
    with pytest.raises(CheckpointError, match="other weights") as error:
        load_checkpoint(path)
    assert error.value.exit_code == 6
    beside.write_bytes(discriminators(model, content_sha256(path.read_bytes()))[:-1])
    with pytest.raises(CheckpointError, match="netD"):
        load_checkpoint(path)
    assert [found.name for found in list_models([tmp_path]) if found.path == beside] == []


def test_the_same_weights_give_the_same_file(data: bytes) -> None:
    assert content(random_model("scan_tiny", 3)) == data
    assert content(random_model("scan_tiny", 4)) != data


def test_the_file_is_found_by_name_and_listed(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "scan_tiny.x.safetensors"
    path.write_bytes(data)
    (tmp_path / "broken.safetensors").write_bytes(data[:100])
    listed = {model.name: model for model in list_models([tmp_path])}
    assert set(ARCHITECTURES) < set(listed)
    assert "broken" not in listed
    info = listed["scan_tiny.x"]
    assert (info.path, info.size, info.parameters, info.facts) == (path, 32, 8965, FACTS)
    assert create_model("scan_tiny.x", folders=[tmp_path]).sha256 == info.sha256
    with pytest.raises(CheckpointError, match=r"scan_tiny\.y") as error:
        create_model("scan_tiny.y", folders=[tmp_path])
    assert error.value.exit_code == 4
    assert "scan_tiny.x" in error.value.hint


def test_random_models_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one = create_model("scan_tiny", seed=5)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert create_model("scan_tiny", seed=5).sha256 == one.sha256
    assert create_model("scan_tiny", seed=6).sha256 != one.sha256


@settings(max_examples=60, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_flipped_byte_anywhere_is_noticed(data: bytes, scratch: Path, place: float, mask: int) -> None:
    scratch.write_bytes(flipped(data, int(place * len(data)), mask))
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(scratch)
    assert error.value.exit_code == 6
    assert error.value.hint


def test_flipped_bits_in_the_header_are_noticed(data: bytes, scratch: Path) -> None:
    end = header_end(data)
    ours = data.index(b'"' + HEADER_KEY.encode() + b'"')
    choose = random.Random(0)
    positions = [*range(8), *range(ours, ours + 8), *choose.sample(range(8, end), 150), *range(end - 9, end)]
    for position in positions:
        scratch.write_bytes(flipped(data, position, 1 << choose.randrange(8)))
        with pytest.raises(CheckpointError) as error:
            load_checkpoint(scratch)
        assert error.value.exit_code == 6, position


def test_another_spelling_of_the_same_header_is_noticed(data: bytes, scratch: Path) -> None:
    for written, meant_the_same in ((b"3e-05", b"3E-05"), (b"Zo\\\\u00eb", b"Zo\\\\u00EB")):
        assert data.count(written) == 1
        scratch.write_bytes(data.replace(written, meant_the_same))
        with pytest.raises(CheckpointError):
            load_checkpoint(scratch)


@pytest.mark.parametrize("length", [0, 4, 8, 500, -1])
def test_a_cut_file_is_noticed(data: bytes, scratch: Path, length: int) -> None:
    scratch.write_bytes(data[:length])
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(scratch)
    assert error.value.exit_code == 6


def test_files_of_others_and_of_the_future_are_refused(scratch: Path) -> None:
    header = {"format": 3}
    for metadata, words in (
        ({HEADER_KEY: json.dumps(header)}, "format 3"),
        ({"format": "pt"}, "not an intact base checkpoint"),
    ):
        text = json.dumps({"__metadata__": metadata}).encode()
        scratch.write_bytes(struct.pack("<Q", len(text)) + text)
        with pytest.raises(CheckpointError, match=words):
            load_checkpoint(scratch)
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(scratch.with_name("nothing.safetensors"))
    assert error.value.exit_code == 4


@pytest.mark.parametrize("value", [7e4, float("nan"), float("inf")])
def test_weights_that_half_precision_cannot_hold_are_refused(value: float) -> None:
    model = random_model("scan_tiny", 0)
    with torch.no_grad():
        next(model.netG_A.parameters())[0] = value
    with pytest.raises(CheckpointError, match="netG_A") as error:
        content(model)
    assert error.value.exit_code == 3
    assert "learning rate" in error.value.hint

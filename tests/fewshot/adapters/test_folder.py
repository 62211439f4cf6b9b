"""The adapter folder: complete or absent, checked on reading, loadable by PEFT alone."""

import copy
import io
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from types import ModuleType

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from base_models.checkpoint import BaseModel
from base_models.registry import create_model
from fewshot.adapters import folder as folder_module
from fewshot.adapters.adapter import Adapter, read_adapter
from fewshot.adapters.attach import METHODS, adapter_state, attach_adapter
from fewshot.adapters.files import read_files, seal
from fewshot.adapters.folder import MAX_BYTES, check_fits
from fewshot.adapters.swap import replacing_folder
from fewshot.consent import Consent
from fewshot.errors import BadInputError, ConflictError, IntegrityError, NotFoundError, UsageError
from recipes import list_recipes, load_recipe

FILES = {
    "adapter_model.safetensors",
    "adapter_config.json",
    "adapter.json",
    "recipe.toml",
    "metrics.json",
    "preview.png",
    "README.md",
    "style_features.safetensors",
}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_writers_of_one_new_folder_do_not_fail_each_other(tmp_path: Path) -> None:
    def write(number: int) -> None:
        with replacing_folder(tmp_path / "style", overwrite=True) as folder:
            (folder / "number").write_text(str(number))
            start.wait()

    for _ in range(20):
        start = Barrier(3)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
        assert (tmp_path / "style" / "number").read_text() in "012"
        shutil.rmtree(tmp_path / "style")


def test_who_reads_while_it_is_replaced_reads_one_whole_style(tmp_path: Path, small: ModuleType) -> None:
    """The booth draws in a style at the moment at which it is learned anew."""
    template = small.write_template(tmp_path / "template")
    kinds = [small.write_variant(template, tmp_path / f"{number}", number) for number in range(2)]
    expected = {read_files(folder).sha256 for folder in kinds}
    place, ended = tmp_path / "style", Event()

    def replace() -> None:
        for number in range(150):
            with replacing_folder(place, overwrite=True) as folder:
                shutil.copytree(kinds[number % 2], folder, dirs_exist_ok=True)

    shutil.copytree(kinds[0], place)
    found = set()
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(replace)
        writing.add_done_callback(lambda _: ended.set())
        while not ended.is_set():
            found.add(read_files(place).sha256)
        writing.result()
    assert found == expected


def test_the_folder_holds_all_files_and_reads_back(
    write: Callable[..., Adapter], tmp_path: Path, base: BaseModel
) -> None:
    written = write(tmp_path / "ink")
    assert names(tmp_path / "ink") == FILES
    assert names(tmp_path) == {"ink"}
    read = read_adapter(tmp_path / "ink")
    assert (read.name, read.base_name, read.base_sha256) == ("ink", "scan_tiny", base.sha256)
    assert (read.licence, read.consent.status, read.sha256) == ("CC0-1.0", "granted", written.sha256)
    assert read.folder == written.folder == tmp_path / "ink"
    assert read.record["references"] == ["a" * 64, "b" * 64]
    assert set(read.record["files"]) == FILES - {"adapter.json"}
    assert read.record["versions"]["peft"]
    features = load_file(tmp_path / "ink" / "style_features.safetensors")
    assert features["references"].shape == (2, 4)


def test_the_same_adapter_has_the_same_bytes(write: Callable[..., Adapter], tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "two")
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


@pytest.mark.parametrize("method", METHODS)
def test_peft_alone_loads_it(
    write: Callable[..., Adapter],
    train: Callable[..., PeftModel],
    tmp_path: Path,
    base: BaseModel,
    photo: torch.Tensor,
    method: str,
) -> None:
    write(tmp_path / "ink", method)
    loaded = PeftModel.from_pretrained(copy.deepcopy(base.netG_A), str(tmp_path / "ink")).eval()
    assert torch.allclose(loaded(photo), train(method)(photo), atol=1e-6)


def test_tensors_alone_need_the_configuration(
    write: Callable[..., Adapter], train: Callable[..., PeftModel], tmp_path: Path
) -> None:
    model = train()
    live = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with pytest.raises(ValueError, match="config="):
        write(tmp_path / "ink", weights=live)
    adapter = write(tmp_path / "ink", weights=live, config=model.peft_config["default"])
    expected = adapter_state(model)
    assert adapter.state.keys() == expected.keys()
    assert all(np.array_equal(adapter.state[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_flipped_byte_is_noticed_in_every_file(
    write: Callable[..., Adapter], tmp_path: Path, name: str
) -> None:
    write(tmp_path / "ink")
    path = tmp_path / "ink" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x01
    path.write_bytes(content)
    with pytest.raises(IntegrityError) as caught:
        read_adapter(tmp_path / "ink")
    assert name in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", sorted(FILES - {"adapter.json"}))
def test_a_missing_file_is_noticed(write: Callable[..., Adapter], tmp_path: Path, name: str) -> None:
    write(tmp_path / "ink")
    (tmp_path / "ink" / name).unlink()
    with pytest.raises(IntegrityError, match="missing") as caught:
        read_adapter(tmp_path / "ink")
    assert name in str(caught.value)


def test_a_plain_peft_folder_is_read(
    train: Callable[..., PeftModel], tmp_path: Path, base: BaseModel
) -> None:
    train().save_pretrained(str(tmp_path / "plain"), save_embedding_layers=False)
    adapter = read_adapter(tmp_path / "plain")
    assert (adapter.name, adapter.base_name, adapter.base_sha256) == ("plain", "scan_tiny", base.sha256)
    assert (adapter.consent, adapter.licence) == (Consent(), "")


def test_a_plain_peft_folder_without_a_base_is_refused(
    train: Callable[..., PeftModel], tmp_path: Path
) -> None:
    train().save_pretrained(str(tmp_path / "plain"), save_embedding_layers=False)
    path = tmp_path / "plain" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": None}))
    with pytest.raises(IntegrityError, match="base_model_name_or_path"):
        read_adapter(tmp_path / "plain")


def test_truncated_weights_of_a_plain_folder_are_refused(
    train: Callable[..., PeftModel], tmp_path: Path
) -> None:
    train().save_pretrained(str(tmp_path / "plain"), save_embedding_layers=False)
    path = tmp_path / "plain" / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(IntegrityError, match=r"adapter_model\.safetensors: damaged"):
        read_adapter(tmp_path / "plain")


def test_no_folder_and_no_adapter_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder"):
        read_adapter(tmp_path / "nothing")
    with pytest.raises(NotFoundError, match="no adapter in it"):
        read_adapter(tmp_path)


def test_a_checksum_list_may_not_leave_the_folder(write: Callable[..., Adapter], tmp_path: Path) -> None:
    write(tmp_path / "ink")
    path = tmp_path / "ink" / "adapter.json"
    record = json.loads(path.read_text())
    record["files"]["../secret"] = "0" * 64
    path.write_text(json.dumps(seal(record)))
    with pytest.raises(IntegrityError, match="no file of an adapter"):
        read_adapter(tmp_path / "ink")


def test_an_existing_adapter_stays_unless_overwrite(write: Callable[..., Adapter], tmp_path: Path) -> None:
    first = write(tmp_path / "ink", seed=1)
    with pytest.raises(ConflictError, match="exists already"):
        write(tmp_path / "ink", seed=2)
    assert read_adapter(tmp_path / "ink").sha256 == first.sha256
    second = write(tmp_path / "ink", seed=2, overwrite=True)
    assert read_adapter(tmp_path / "ink").sha256 == second.sha256 != first.sha256
    assert names(tmp_path) == {"ink"}


def test_two_renames_replace_where_folders_cannot_be_exchanged(
    write: Callable[..., Adapter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "ink", seed=1)
    monkeypatch.setattr("fewshot.adapters.swap._exchange", lambda *_: False)
    second = write(tmp_path / "ink", seed=2, overwrite=True)
    assert read_adapter(tmp_path / "ink").sha256 == second.sha256
    assert names(tmp_path) == {"ink"}


def test_a_failure_half_way_leaves_the_old_adapter_and_no_litter(
    write: Callable[..., Adapter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = write(tmp_path / "ink", seed=1)

    def interrupted(folder: Path) -> None:
        assert names(folder) == FILES
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, "read_adapter", interrupted)
    for target in ("ink", "new"):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / target, seed=2, overwrite=True)
    assert names(tmp_path) == {"ink"}
    assert read_adapter(tmp_path / "ink").sha256 == first.sha256


def test_a_folder_that_cannot_be_made_is_one_clear_error(
    write: Callable[..., Adapter], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BadInputError, match="cannot write") as caught:
        write(tmp_path / "file" / "ink")
    assert caught.value.hint


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")

    def write_half() -> None:
        with replacing_folder(tmp_path / "ink", overwrite=False) as temporary:
            (temporary / "adapter.json").write_text("{}")
            with open("/dev/full", "wb", buffering=0) as full:
                full.write(b"x")

    with pytest.raises(BadInputError, match="disk is full"):
        write_half()
    assert names(tmp_path) == set()


def test_values_that_are_not_finite_are_refused(
    write: Callable[..., Adapter], train: Callable[..., PeftModel], tmp_path: Path
) -> None:
    model = train()
    state = adapter_state(model)
    next(iter(state.values())).view(-1)[0] = float("nan")
    with pytest.raises(BadInputError, match="not finite"):
        write(tmp_path / "ink", weights=state, config=model.peft_config["default"])
    assert names(tmp_path) == set()


@pytest.mark.parametrize(("rank", "dtype"), [(8, torch.float32), (20, torch.float16)])
def test_a_large_adapter_is_stored_as_float16_within_the_limit(
    tmp_path: Path, write: Callable[..., Adapter], rank: int, dtype: torch.dtype
) -> None:
    large = create_model("scan_128")
    model = attach_adapter(large.netG_A, method="lora", rank=rank, alpha=rank, base_sha256=large.sha256)
    adapter = write(tmp_path / "ink", weights=model, base_name="scan_128", base_sha256=large.sha256)
    assert {str(tensor.dtype) for tensor in adapter.state.values()} == {str(dtype).removeprefix("torch.")}
    assert sum(path.stat().st_size for path in (tmp_path / "ink").iterdir()) <= MAX_BYTES
    shutil.copytree(tmp_path / "ink", tmp_path / "copy")
    loaded = PeftModel.from_pretrained(copy.deepcopy(large.netG_A), str(tmp_path / "copy"))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


@pytest.mark.parametrize("recipe", [file.name for file in list_recipes()])
def test_every_recipe_fits_the_largest_base(recipe: str) -> None:
    base, asked = create_model("scan_256"), load_recipe(recipe)
    model = attach_adapter(
        base.netG_A,
        method=asked.method,
        rank=asked.rank,
        alpha=asked.alpha,
        train_norms=asked.train_norms,
        base_sha256=base.sha256,
    )
    check_fits(sum(p.numel() for p in model.parameters() if p.requires_grad), asked)


def test_what_no_folder_can_hold_is_refused_before_training() -> None:
    with pytest.raises(BadInputError, match=r"makes an adapter of 1\.8 MB as float16") as caught:
        check_fits(900_000, load_recipe("quick"))
    assert "rank=6 alpha=6" in caught.value.hint


def test_an_adapter_over_the_limit_is_refused(tmp_path: Path, write: Callable[..., Adapter]) -> None:
    large = create_model("scan_128")
    model = attach_adapter(large.netG_A, method="lora", rank=64, alpha=64, base_sha256=large.sha256)
    with pytest.raises(BadInputError, match="bytes as float16") as caught:
        write(tmp_path / "ink", weights=model, base_name="scan_128", base_sha256=large.sha256)
    assert "rank=8" in caught.value.hint
    assert names(tmp_path) == set()


def test_the_card_names_base_scores_licence_and_both_uses(
    write: Callable[..., Adapter], tmp_path: Path, base: BaseModel
) -> None:
    write(tmp_path / "ink")
    card = (tmp_path / "ink" / "README.md").read_text()
    assert base.sha256 in card
    assert "| metric | base | adapter | value | n | extractor |" in card
    assert "| kid | 0.2 | 0.05 |  | 48 | style |" in card
    assert "CC0-1.0" in card
    assert "granted" in card
    assert "fewshot stylize" in card
    assert "PeftModel.from_pretrained" in card


@pytest.mark.parametrize("name", ["墨絵", "mon-style", "Ölkreide"])
def test_names_of_any_script_are_kept(write: Callable[..., Adapter], tmp_path: Path, name: str) -> None:
    write(tmp_path / "with space" / name, name=name)
    assert read_adapter(tmp_path / "with space" / name).name == name


def test_a_name_that_would_be_read_as_a_weight_is_refused(
    write: Callable[..., Adapter], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        write(tmp_path / "x", name="ink:0.5")


def test_the_preview_is_kept_as_it_is(write: Callable[..., Adapter], tmp_path: Path) -> None:
    from PIL import Image

    write(tmp_path / "ink")
    with Image.open(io.BytesIO((tmp_path / "ink" / "preview.png").read_bytes())) as image:
        assert image.size == (8, 8)

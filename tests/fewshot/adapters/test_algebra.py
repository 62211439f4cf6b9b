"""W = W0 + sum of w·dW: parity with PEFT, the base at 0, any order, any method."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import BOFTConfig, LoHaConfig, LoKrConfig, LoraConfig, PeftConfig, PeftModel, get_peft_model
from torch import nn

from base_models.checkpoint import BaseModel, arrays_of
from base_models.registry import create_model
from fewshot.adapters.adapter import Adapter, read_adapter
from fewshot.adapters.algebra import check_base, deltas
from fewshot.adapters.attach import METHODS
from fewshot.adapters.merged import merged
from fewshot.errors import IntegrityError

weights = st.floats(0, 2, allow_subnormal=False)


@pytest.fixture(scope="module")
def adapters(write: Callable[..., Adapter], tmp_path_factory: pytest.TempPathFactory) -> list[Adapter]:
    """One adapter of each method."""
    folder = tmp_path_factory.mktemp("adapters")
    return [write(folder / method, method, seed) for seed, method in enumerate(METHODS)]


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.named_parameters(), second.named_parameters(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def assert_parity(base: BaseModel, adapter: Adapter, photo: torch.Tensor) -> None:
    drawn = merged(base, [(adapter, 1.0)])(photo)
    loaded = PeftModel.from_pretrained(copy.deepcopy(base.netG_A), str(adapter.folder)).eval()
    assert (drawn - base.netG_A(photo)).abs().max() > 1e-3
    assert torch.allclose(drawn, loaded(photo), atol=1e-5)
    assert torch.allclose(drawn, loaded.merge_and_unload()(photo), atol=1e-5)


@pytest.mark.parametrize("index", range(len(METHODS)), ids=METHODS)
def test_weight_one_is_what_peft_draws_and_merges(
    base: BaseModel, adapters: list[Adapter], photo: torch.Tensor, index: int
) -> None:
    assert_parity(base, adapters[index], photo)


@pytest.mark.parametrize(
    "options",
    [
        {"use_rslora": True, "lora_alpha": 3},
        {"lora_alpha": 2},
        {"use_dora": True},
        {"rank_pattern": {"stages.0.stem.conv": 3}, "alpha_pattern": {"stages.0.stem.conv": 5}},
        {"init_lora_weights": "gaussian"},
        {"bias": "lora_only"},
    ],
    ids=str,
)
def test_plain_peft_adapters_of_other_kinds_draw_as_in_peft(
    base: BaseModel, photo: torch.Tensor, tmp_path: Path, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    config = LoraConfig(r=4, target_modules=r".*\.conv", modules_to_save=["stages.0.stem.norm"], **options)
    model = get_peft_model(copy.deepcopy(base.netG_A), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(str(tmp_path), save_embedding_layers=False)
    assert_parity(base, read_adapter(tmp_path), photo)


def test_float16_adapters_keep_parity(
    base: BaseModel, train: Callable[..., PeftModel], photo: torch.Tensor, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    train().save_pretrained(str(tmp_path), save_embedding_layers=False)
    path = tmp_path / "adapter_model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(path).items()}, path)
    assert_parity(base, read_adapter(tmp_path), photo)


def test_deltas_cover_what_the_method_trains(base: BaseModel, adapters: list[Adapter]) -> None:
    arrays = arrays_of(base)
    touched = {m: set(deltas(adapter, arrays)) for m, adapter in zip(METHODS, adapters, strict=True)}
    parameters = {n: p for n, p in base.netG_A.named_parameters() if not n.startswith("parser.")}
    norms = {name for name in parameters if ".norm." in name}
    films = {name for name in parameters if name.endswith(("film.weight", "place.weight"))}
    weights = {name for name in parameters if name.endswith("conv.weight")}
    divisible = {name for name in weights if parameters[name][0].numel() % 8 == 0}
    every = dict.fromkeys(("lora", "rslora", "lokr", "loha"), norms | weights | films)
    others = {"boft": norms | divisible, "norm-only": norms, "full": set(parameters)}
    assert touched == every | others


@pytest.mark.parametrize("index", range(len(METHODS)), ids=METHODS)
def test_affines_scale_with_the_weight_as_convolutions_do(
    base: BaseModel, adapters: list[Adapter], index: int
) -> None:
    adapter = adapters[index]
    changes, half = deltas(adapter, arrays_of(base)), dict(merged(base, [(adapter, 0.5)]).named_parameters())
    assert any(".norm." in name for name in changes)
    for name, old in base.netG_A.named_parameters():
        if name not in changes:
            assert torch.equal(half[name], old)
            continue
        assert np.abs(changes[name]).max() > 1e-4
        assert torch.equal(half[name], (old.double() + 0.5 * torch.from_numpy(changes[name])).float())
        if ".norm." in name:
            copy_in_file = torch.from_numpy(adapter.state["base_model.model." + _file_name(adapter, name)])
            assert torch.equal(old.double() + torch.from_numpy(changes[name]), copy_in_file.double())


def _file_name(adapter: Adapter, name: str) -> str:
    if adapter.config["peft_type"] != "LN_TUNING":
        return name
    module, _, kind = name.rpartition(".")
    return f"{module}.ln_tuning_layers.{kind}"


@pytest.mark.parametrize("index", range(len(METHODS)), ids=METHODS)
def test_a_formula_is_pefts_merge(base: BaseModel, adapters: list[Adapter], index: int) -> None:
    adapter = adapters[index]
    by_peft = PeftModel.from_pretrained(copy.deepcopy(base.netG_A), str(adapter.folder)).merge_and_unload()
    merged = dict(by_peft.named_parameters())
    ours = deltas(adapter, arrays_of(base))
    for name, old in base.netG_A.named_parameters():
        expected = old.detach().double() + torch.as_tensor(ours.get(name, 0.0))
        assert (merged[name].double() - expected).abs().max() <= 1e-6 * max(1.0, float(expected.abs().max()))


@pytest.mark.parametrize(
    "config",
    [
        LoKrConfig(r=2, alpha=4, decompose_both=True),
        LoKrConfig(r=2, alpha=4, use_effective_conv2d=True),
        LoHaConfig(r=2, alpha=4, use_effective_conv2d=True),
        BOFTConfig(boft_block_size=0, boft_block_num=3, boft_n_butterfly_factor=1),
    ],
    ids=lambda config: type(config).__name__,
)
def test_plain_peft_adapters_of_other_methods_draw_as_in_peft(
    base: BaseModel, photo: torch.Tensor, tmp_path: Path, config: PeftConfig
) -> None:
    torch.manual_seed(0)
    config = copy.deepcopy(config)
    config.target_modules, config.modules_to_save = r".*\.conv", ["stages.0.stem.norm"]
    model = get_peft_model(copy.deepcopy(base.netG_A), config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    model.save_pretrained(str(tmp_path), save_embedding_layers=False)
    assert_parity(base, read_adapter(tmp_path), photo)


@settings(max_examples=20, deadline=None)
@given(
    values=st.lists(weights, min_size=len(METHODS), max_size=len(METHODS)),
    order=st.permutations(range(len(METHODS))),
)
def test_order_does_not_matter(
    base: BaseModel, adapters: list[Adapter], values: list[float], order: list[int]
) -> None:
    styles = list(zip(adapters, values, strict=True))
    assert same(merged(base, styles), merged(base, [styles[i] for i in order]))


@settings(max_examples=10, deadline=None)
@given(value=weights)
def test_a_blend_is_the_sum_of_its_changes(base: BaseModel, adapters: list[Adapter], value: float) -> None:
    styles = [(adapter, (value + i) % 2) for i, adapter in enumerate(adapters)]
    changes = [deltas(adapter, arrays_of(base)) for adapter, _ in styles]
    net = merged(base, styles)
    for (name, old), (_, new) in zip(base.netG_A.named_parameters(), net.named_parameters(), strict=True):
        expected = old.detach().double()
        for (_, weight), change in zip(styles, changes, strict=True):
            expected = expected + weight * torch.as_tensor(change.get(name, 0.0))
        assert torch.allclose(new.double(), expected, atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(value=weights)
def test_zero_is_the_base_bit_for_bit(base: BaseModel, adapters: list[Adapter], value: float) -> None:
    nothing = [(adapter, 0.0) for adapter in adapters]
    assert same(merged(base, nothing), base.netG_A)
    assert same(merged(base, []), base.netG_A)
    assert same(merged(base, [(adapters[0], value), *nothing]), merged(base, [(adapters[0], value)]))


def test_halves_of_one_style_are_the_style(
    base: BaseModel, adapters: list[Adapter], photo: torch.Tensor
) -> None:
    half = merged(base, [(adapters[0], 0.5), (adapters[0], 0.5)])
    assert torch.allclose(half(photo), merged(base, [(adapters[0], 1.0)])(photo), atol=1e-6)


def test_blending_leaves_the_base_alone(base: BaseModel, adapters: list[Adapter]) -> None:
    before = copy.deepcopy(base.netG_A)
    net = merged(base, [(adapter, 1.0) for adapter in adapters])
    assert same(before, base.netG_A)
    assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_no_number_is_refused(
    base: BaseModel, adapters: list[Adapter], weight: float
) -> None:
    with pytest.raises(ValueError, match="finite"):
        merged(base, [(adapters[0], weight)])


@pytest.mark.parametrize("other", ["retrained", "another"])
def test_an_adapter_of_another_base_names_both_and_the_way_out(adapters: list[Adapter], other: str) -> None:
    model = create_model("scan_tiny", seed=7) if other == "retrained" else create_model("scan_128")
    for call in (lambda: check_base(adapters[0], model), lambda: merged(model, [(adapters[0], 0.0)])):
        with pytest.raises(IntegrityError) as caught:
            call()
        assert adapters[0].base_sha256[:12] in str(caught.value)
        assert model.sha256[:12] in str(caught.value)
        assert "--base" in caught.value.hint


def test_a_plain_adapter_without_revision_is_matched_by_name(
    base: BaseModel, adapters: list[Adapter]
) -> None:
    check_base(dataclasses.replace(adapters[0], base_sha256=""), base)
    with pytest.raises(IntegrityError):
        check_base(dataclasses.replace(adapters[0], base_sha256="", base_name="scan_256"), base)


@pytest.mark.parametrize("index", range(len(METHODS)), ids=METHODS)
def test_tensors_that_do_not_fit_are_refused(base: BaseModel, adapters: list[Adapter], index: int) -> None:
    adapter = adapters[index]
    name = next(iter(adapter.state))
    cut = dict(adapter.state) | {name: adapter.state[name][..., :1]}
    if cut[name].shape == adapter.state[name].shape:
        cut[name] = np.zeros(5, np.float32)
    stray = dict(adapter.state) | {"base_model.model.stages.9.conv.weight": np.zeros(1, np.float32)}
    for state in (cut, stray):
        with pytest.raises(IntegrityError, match="does not fit"):
            deltas(dataclasses.replace(adapter, state=state), arrays_of(base))

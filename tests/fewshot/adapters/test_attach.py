"""What each method trains, and that training moves nothing else."""

import re

import pytest
import torch
from torch import nn

from base_models.checkpoint import BaseModel
from fewshot.adapters.attach import METHODS, adapter_state, attach_adapter, saved_names
from fewshot.errors import UsageError


def modules(base: BaseModel, kind: type[nn.Module]) -> set[str]:
    """All but the parser's, which stays as it is."""
    names = {name for name, module in base.netG_A.named_modules() if isinstance(module, kind)}
    return {name for name in names if not name.startswith("parser.")}


def touched(names: list[str]) -> set[str]:
    """Module names behind the parameter names of a live PeftModel."""
    factors = r"lora_[AB]|lokr_w[12](_[ab])?|hada_w[12]_[ab]|boft_[Rs]|modules_to_save|ln_tuning_layers"
    tail = rf"\.({factors})\.default(\.weight|\.bias)?$"
    return {re.sub(tail, "", name.removeprefix("base_model.model.")) for name in names}


@pytest.mark.parametrize(
    ("method", "train_norms", "convolutions", "norms"),
    [
        ("lora", True, True, True),
        ("lora", False, True, False),
        ("rslora", True, True, True),
        ("lokr", True, True, True),
        ("lokr", False, True, False),
        ("loha", True, True, True),
        ("boft", True, True, True),
        ("norm-only", True, False, True),
        ("full", True, True, True),
    ],
)
def test_only_what_the_method_names_is_trained(
    base: BaseModel, photo: torch.Tensor, method: str, train_norms: bool, convolutions: bool, norms: bool
) -> None:
    # Blocks of 3 divide every convolution.
    model = attach_adapter(base.netG_A, method=method, rank=3, train_norms=train_norms, base_sha256="x")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    expected = modules(base, nn.Conv2d) if convolutions else set()
    expected |= modules(base, nn.InstanceNorm2d) if norms else set()
    if method == "boft":
        expected = {name for name in expected if not name.endswith((".film", ".place"))}
    assert touched(trainable) == expected

    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    for _ in range(2):
        optimizer.zero_grad()
        (model(photo) - photo).abs().mean().backward()
        optimizer.step()
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == set(trainable)


@pytest.mark.parametrize("method", METHODS)
def test_a_fresh_adapter_draws_like_the_base_and_leaves_it_alone(
    base: BaseModel, photo: torch.Tensor, method: str
) -> None:
    before = {name: tensor.clone() for name, tensor in base.netG_A.state_dict().items()}
    model = attach_adapter(base.netG_A, method=method, base_sha256="x").eval()
    assert torch.equal(model(photo), base.netG_A(photo))
    after = base.netG_A.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(parameter.requires_grad for parameter in base.netG_A.stages.parameters())


@pytest.mark.parametrize("method", METHODS)
def test_the_configuration_names_base_and_revision(base: BaseModel, method: str) -> None:
    config = attach_adapter(base.netG_A, method=method, base_sha256=base.sha256).peft_config["default"]
    assert config.base_model_name_or_path == "scan_tiny"
    assert config.revision == base.sha256
    assert isinstance(config.target_modules, str)


@pytest.mark.parametrize("method", METHODS)
def test_live_names_become_the_names_of_the_file(base: BaseModel, method: str) -> None:
    model = attach_adapter(base.netG_A, method=method, base_sha256="x")
    live = {name: p for name, p in model.named_parameters() if p.requires_grad}
    saved = adapter_state(model)
    assert saved_names(live).keys() == saved.keys()
    assert saved_names(saved).keys() == saved.keys()


def test_boft_leaves_alone_what_its_blocks_do_not_divide(base: BaseModel) -> None:
    model = attach_adapter(base.netG_A, method="boft", rank=8, train_norms=False, base_sha256="x")
    turned = touched([name for name, p in model.named_parameters() if p.requires_grad])
    sizes = {n: m.weight[0].numel() for n, m in base.netG_A.named_modules() if isinstance(m, nn.Conv2d)}
    # What modulates norms starts at zero, and zero turned is zero.
    divided = {name for name, size in sizes.items() if size % 8 == 0}
    assert turned == {name for name in divided if not name.endswith((".film", ".place"))}
    assert 0 < len(turned) < len(sizes)


@pytest.mark.parametrize("side", [1, 5])
def test_blocks_that_turn_nothing_are_refused(base: BaseModel, side: int) -> None:
    with pytest.raises(UsageError, match=f"blocks of {side} divide no convolution") as caught:
        attach_adapter(base.netG_A, method="boft", rank=side, base_sha256="x")
    assert "rank=8" in caught.value.hint


def test_rslora_divides_by_the_root_of_the_rank(base: BaseModel) -> None:
    model = attach_adapter(base.netG_A, method="rslora", rank=4, alpha=6, base_sha256="x")
    assert {m.scaling["default"] for m in model.modules() if hasattr(m, "lora_A")} == {3.0}


def test_an_unknown_method_is_refused(base: BaseModel) -> None:
    with pytest.raises(UsageError, match="unknown adapter method 'dora'") as caught:
        attach_adapter(base.netG_A, method="dora", base_sha256="x")
    assert "norm-only" in caught.value.hint


def test_a_generator_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="name_or_path"):
        attach_adapter(nn.Conv2d(3, 3, 1), method="lora", base_sha256="x")

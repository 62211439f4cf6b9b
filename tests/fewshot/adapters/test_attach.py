"""What each method trains, and that training moves nothing else."""

import re

import pytest
import torch
from torch import nn

from base_models.checkpoint import BaseModel
from fewshot.adapters.attach import METHODS, adapter_state, attach_adapter, saved_names
from fewshot.errors import UsageError


def modules(base: BaseModel, kind: type[nn.Module]) -> set[str]:
    return {name for name, module in base.netG_A.named_modules() if isinstance(module, kind)}


def touched(names: list[str]) -> set[str]:
    """Module names behind the parameter names of a live PeftModel."""
    tail = r"\.(lora_[AB]\.default|modules_to_save\.default|ln_tuning_layers\.default)?\.?(weight|bias)$"
    return {re.sub(tail, "", name.removeprefix("base_model.model.")) for name in names}


@pytest.mark.parametrize(
    ("method", "train_norms", "convolutions", "norms"),
    [
        ("lora", True, True, True),
        ("lora", False, True, False),
        ("norm-only", True, False, True),
        ("full", True, True, True),
    ],
)
def test_only_what_the_method_names_is_trained(
    base: BaseModel, photo: torch.Tensor, method: str, train_norms: bool, convolutions: bool, norms: bool
) -> None:
    model = attach_adapter(base.netG_A, method=method, rank=2, train_norms=train_norms, base_sha256="x")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainable = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    expected = modules(base, nn.Conv2d) if convolutions else set()
    expected |= modules(base, nn.InstanceNorm2d) if norms else set()
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
    assert torch.allclose(model(photo), base.netG_A(photo), atol=1e-6)
    after = base.netG_A.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(parameter.requires_grad for parameter in base.netG_A.parameters())


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


def test_an_unknown_method_is_refused(base: BaseModel) -> None:
    with pytest.raises(UsageError, match="unknown adapter method 'dora'") as caught:
        attach_adapter(base.netG_A, method="dora", base_sha256="x")
    assert "norm-only" in caught.value.hint


def test_a_generator_without_a_name_is_refused() -> None:
    with pytest.raises(UsageError, match="name_or_path"):
        attach_adapter(nn.Conv2d(3, 3, 1), method="lora", base_sha256="x")

"""PEFT's LoRA fits every convolution of every architecture and merges into the same network."""

import copy

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import build_networks
from base_models.scan import StackedGenerator


def convolutions(net: nn.Module) -> list[str]:
    """All but the parser's, which stays as it is."""
    names = [name for name, module in net.named_modules() if isinstance(module, nn.Conv2d)]
    return [name for name in names if not name.startswith("parser.")]


def adapted(net: StackedGenerator) -> PeftModel:
    config = LoraConfig(r=2, target_modules=r"stages\..*\.(conv|film|place)", init_lora_weights=False)
    return get_peft_model(net, config)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_lora_attaches_to_every_convolution(name: str) -> None:
    with torch.device("meta"):
        net = build_networks(ARCHITECTURES[name])[0]
    expected = convolutions(net)
    state = adapted(net).state_dict()
    found = {key.split(".lora_A")[0].removeprefix("base_model.model.") for key in state if ".lora_A" in key}
    assert found == set(expected)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            assert (module.groups, module.dilation, module.padding) == (1, (1, 1), (0, 0))


def test_merging_gives_the_same_pictures() -> None:
    torch.manual_seed(0)
    net = build_networks(ARCHITECTURES["scan_tiny"])[0].eval()
    plain = copy.deepcopy(net)
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.no_grad():
        model = adapted(net).eval()
        with_lora = model(x)
        merged = model.merge_and_unload()(x)
        assert (with_lora - plain(x)).abs().max() > 1e-3
        torch.testing.assert_close(merged, with_lora, rtol=0, atol=1e-5)

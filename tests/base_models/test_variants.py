"""The ablation's six architectures: what each lacks, and parameters as the networks have them."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from base_models.architectures import ARCHITECTURES, Architecture
from base_models.checkpoint import build_networks
from base_models.counts import count_parameters
from base_models.scan import StackedGenerator
from base_models.variants import TOLERANCE, parameters, variants


def network(architecture: Architecture) -> StackedGenerator:
    with torch.device("meta"):
        return build_networks(architecture)[0]


STACKED_ONES = [name for name, architecture in ARCHITECTURES.items() if len(architecture.stages) > 1]


@pytest.mark.parametrize("name", STACKED_ONES)
def test_parameters_are_those_of_the_networks(name: str) -> None:
    full = ARCHITECTURES[name]
    for variant, architecture in {**variants(full), "with its parser": full}.items():
        assert parameters(architecture) == count_parameters(network(architecture)), variant


@pytest.mark.parametrize("name", STACKED_ONES)
def test_one_stage_is_as_large_as_the_full_network_and_works_at_its_size(name: str) -> None:
    full = replace(ARCHITECTURES[name], parser=0)
    plain = variants(full)["one_stage"]
    (stage,) = plain.stages
    assert stage.size == full.stages[-1].size
    assert abs(parameters(plain) / parameters(full) - 1) <= TOLERANCE
    assert stage == replace(full.stages[0], size=stage.size, trunk=stage.trunk, blocks=stage.blocks)
    assert (plain.ndf, plain.d_layers) == (full.ndf, full.d_layers)


def test_each_variant_lacks_what_its_name_says() -> None:
    made = variants(ARCHITECTURES["scan_128"])
    found = {name: (len(a.stages), a.stages[-1].size, a.skip, a.fusion) for name, a in made.items()}
    assert list(found) == ["stage1", "one_stage", "stacked", "no_skip", "no_fusion", "full"]
    assert found["stage1"][:2] == (1, 64)
    assert found["one_stage"][:2] == (1, 128)
    assert found["stacked"] == (2, 128, False, False)
    assert found["no_skip"] == (2, 128, False, True)
    assert found["no_fusion"] == (2, 128, True, False)
    assert made["full"] == replace(ARCHITECTURES["scan_128"], parser=0)
    assert not any(architecture.parser for architecture in made.values())


def test_stacked_variants_share_the_lowest_stage() -> None:
    stages = [a.stages[0] for a in variants(ARCHITECTURES["scan_256"]).values() if len(a.stages) > 1]
    assert stages == [ARCHITECTURES["scan_256"].stages[0]] * 4


@pytest.mark.parametrize("lacking", ["stages", "skip", "fusion"])
def test_what_has_nothing_to_switch_off_is_refused(lacking: str) -> None:
    full = ARCHITECTURES["scan_tiny"]
    poor = {
        "stages": replace(full, stages=full.stages[:1]),
        "skip": replace(full, skip=False),
        "fusion": replace(full, fusion=False),
    }
    with pytest.raises(ValueError, match="several stages with skip and fusion"):
        variants(poor[lacking])


def test_it_loads_without_torch() -> None:
    code = "import sys, base_models.variants; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

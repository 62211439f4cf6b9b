"""Training that starts from a trained base: which weights are taken over, and which are not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from base_models import create_model
from base_models.architectures import ARCHITECTURES, StageSpec
from base_models.scan import StackedGenerator
from fewshot.errors import BadInputError
from fewshot.training.warm_start import copy_stages

STAGES = ARCHITECTURES["scan_tiny"].stages


def equal(one: nn.Module, other: nn.Module | None) -> bool:
    assert other is not None
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_stages_are_copied_as_far_as_they_fit() -> None:
    start = create_model("scan_tiny", seed=3).netG_A
    third = StageSpec(size=64, width=4, trunk=8, blocks=1, downs=1, unshuffle=2, kernel=3, fusion_width=4)
    taller = StackedGenerator([*STAGES, third], parser=2)
    random_third = {name: tensor.clone() for name, tensor in taller.stages[2].state_dict().items()}
    assert copy_stages(start, taller) == 2
    assert all(equal(taller.stages[k], start.stages[k]) for k in range(2))
    assert all(torch.equal(random_third[n], t) for n, t in taller.stages[2].state_dict().items())
    wider_second = StackedGenerator([STAGES[0], replace(STAGES[1], width=6)], parser=2)
    assert copy_stages(start, wider_second) == 1
    assert equal(wider_second.stages[0], start.stages[0])


def test_a_base_of_another_family_is_refused() -> None:
    start = create_model("scan_tiny").netG_A
    with pytest.raises(BadInputError, match="no stage in common"):
        copy_stages(start, StackedGenerator([replace(STAGES[0], width=6)]))


def test_a_run_starts_with_the_bases_weights_and_last_discriminators(tiny: Any) -> None:
    start = create_model("scan_tiny", seed=4)
    run = tiny.run(steps=(1, 1), start=start)
    assert equal(run.netG_A, start.netG_A)
    assert equal(run.netG_B, start.netG_B)
    assert not equal(run._trainer(0).D["B"], start.netD_B)
    last = run._trainer(1)
    assert equal(last.D["A"], start.netD_A)
    assert equal(last.D["B"], start.netD_B)


def test_generators_wait_for_the_discriminators_during_the_warm_up(tiny: Any) -> None:
    run = tiny.run(steps=(4, 4), warmup=4)
    rates: list[tuple[float, float]] = []

    def watch(position: Any, losses: dict[str, float]) -> None:
        trainer = trainers[-1]
        generators, discriminators = (o.param_groups[0] for o in (trainer.optimizer_G, trainer.optimizer_D))
        rates.append((generators["lr"], discriminators["lr"]))

    trainers: list[Any] = []
    make = run._trainer

    def keep(index: int) -> Any:
        trainers.append(make(index))
        return trainers[-1]

    run._trainer = keep
    run.watch = watch
    run.run()
    shares = [generators / discriminators for generators, discriminators in rates]
    assert shares == pytest.approx([0, 0.25, 0.5, 0.75] * 2)

"""Base training that starts from a trained base instead of random weights."""

from __future__ import annotations

from base_models.checkpoint import BaseModel
from base_models.scan import StackedGenerator
from fewshot.errors import BadInputError
from fewshot.training.stage import StageTrainer


def copy_stages(start: StackedGenerator, net: StackedGenerator) -> int:
    """Copy the lowest stages that both have in the same size; returns how many.

    Raises:
        BadInputError: not even the first stage fits.
    """
    count = 0
    for ours, theirs, spec, other in zip(net.stages, start.stages, net.specs, start.specs, strict=False):
        shapes = [{name: tensor.shape for name, tensor in s.state_dict().items()} for s in (ours, theirs)]
        if spec != other or shapes[0] != shapes[1]:
            break
        ours.load_state_dict(theirs.state_dict())
        count += 1
    if count == 0:
        raise BadInputError(
            f"{start.name_or_path} has no stage in common with this architecture",
            "start from a base of the same family, such as scan_128 for scan_256",
        )
    if net.parser is not None and start.parser is not None:
        # The stages have learned to heed this one.
        net.parser.load_state_dict(start.parser.state_dict())
    return count


def start_discriminators(trainer: StageTrainer, start: BaseModel) -> None:
    """Give the stage the base's discriminators, if the base's last stage is this one."""
    nets = {"A": start.netD_A, "B": start.netD_B}
    if trainer.index != len(start.netG_A.stages) - 1:
        return
    for side, net in nets.items():
        if net is not None:
            trainer.D[side].load_state_dict(net.state_dict())

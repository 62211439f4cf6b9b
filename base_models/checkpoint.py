"""The base checkpoint: a safetensors file with both directions, and one beside it with the discriminators.

`NAME.safetensors` holds `netG_A.*` and `netG_B.*` as float16; `NAME.netD.safetensors` beside it holds
`netD_A.*` and `netD_B.*`, is only needed to train on, and may be missing. Each has a header, one JSON value
under the metadata key `scan`:

    format        2
    name          "scan_128.anime"
    architecture  StageSpecs and switches, see architectures.py
    stage_sizes   [64, 128]
    training      facts: pictures seen, minutes, hardware, seed, options, versions
    licence       licence words of the training data
    sha256        over all tensors and the header without this field
    belongs_to    discriminators only: sha256 of the generators' file

So a flipped byte anywhere is noticed on loading.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save
from torch import Tensor

from base_models.architectures import ARCHITECTURES, PARSER_WIDTH, Architecture
from base_models.arrays import DAMAGED, FORMAT, BaseArrays, header_sha256, read_verified
from base_models.discriminators import PatchGAN
from base_models.photo_parser import load_photo_parser
from base_models.registry import HEADER_KEY, CheckpointError, discriminators_path
from base_models.scan import StackedGenerator, init_weights


@dataclass
class BaseModel:
    """Both directions of a base model with what is known of it."""

    name: str
    """`arch` or `arch.tag`."""
    architecture: Architecture
    """Sizes and switches."""
    netG_A: StackedGenerator
    """Photo to drawing, float32, eval mode."""
    netG_B: StackedGenerator
    """Drawing to photo."""
    netD_A: PatchGAN | None
    """Photo discriminator of the last stage, if its file is there."""
    netD_B: PatchGAN | None
    """Drawing discriminator of the last stage: adaptation may start from it."""
    sha256: str
    """Identity of the weights; adapters name it."""
    header: dict[str, Any]
    """The whole header."""


def build_generator(architecture: Architecture, *, photos: bool = True) -> StackedGenerator:
    """A fresh generator of an architecture, weights drawn from torch's global generator.

    Args:
        architecture: sizes and switches.
        photos: it draws photos, as netG_A does; only then has it the parser.
    """
    net = StackedGenerator(
        architecture.stages,
        fusion=architecture.fusion,
        skip=architecture.skip,
        parser=architecture.parser if photos else 0,
    )
    init_weights(net)
    return net


def build_networks(architecture: Architecture) -> tuple[StackedGenerator, StackedGenerator]:
    """Fresh netG_A and netG_B; a parser of the trained width is the trained one."""
    netG_A = build_generator(architecture)
    if netG_A.parser is not None and architecture.parser == PARSER_WIDTH:
        load_photo_parser(netG_A.parser)
    return netG_A, build_generator(architecture, photos=False)


def build_discriminator(architecture: Architecture) -> PatchGAN:
    """A fresh discriminator of an architecture's size."""
    netD = PatchGAN(3, architecture.ndf, architecture.d_layers)
    init_weights(netD)
    return netD


def random_model(name: str, seed: int) -> BaseModel:
    """Seeded random weights of a registered architecture; the caller's random state is left as it was."""
    architecture = ARCHITECTURES[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        netG_A, netG_B = build_networks(architecture)
        netD_A, netD_B = build_discriminator(architecture), build_discriminator(architecture)
    networks = {"netG_A": netG_A, "netG_B": netG_B, "netD_A": netD_A, "netD_B": netD_B}
    facts = {"seed": seed, "trained": False}
    header = make_header(name, architecture, facts, "none: random weights", _tensors(networks))
    return _assemble(name, architecture, header, networks)


def save_checkpoint(
    name: str,
    architecture: Architecture,
    networks: Mapping[str, torch.nn.Module],
    *,
    training: dict[str, Any],
    licence: str,
    belongs_to: str = "",
) -> bytes:
    """The file's content: float16 tensors and the header; the caller writes it (atomically).

    Args:
        networks: `netG_A` and `netG_B`, or `netD_A` and `netD_B`.
        training: facts for the header, JSON-ready.
        licence: licence words of the training data.
        belongs_to: for discriminators, the sha256 of the generators.

    Raises:
        CheckpointError: a weight is not finite or too large for float16 (exit code 3).
    """
    state = {key: tensor.half() for key, tensor in _tensors(networks).items()}
    broken = [key for key, tensor in state.items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"{name}: {len(broken)} tensors ({broken[0]} …) hold numbers that float16 cannot",
            "the training diverged: repeat it with a lower learning rate, or without half precision",
            exit_code=3,
        )
    header = make_header(name, architecture, training, licence, state, belongs_to)
    return save(state, metadata={HEADER_KEY: json.dumps(header, sort_keys=True)})


def content_sha256(data: bytes) -> str:
    """The sha256 in the header of a file's content, as `save_checkpoint` gives it."""
    length = int.from_bytes(data[:8], "little")
    return str(json.loads(json.loads(data[8 : 8 + length])["__metadata__"][HEADER_KEY])["sha256"])


def load_checkpoint(path: Path) -> BaseModel:
    """Read, verify and build a base model, with its discriminators where their file lies beside it.

    Raises:
        CheckpointError: unreadable, altered, of a newer format, or of another shape than its header says; the
            discriminators are those of other weights.
    """
    header, networks = _load_networks(path, ("netG_A", "netG_B"))
    beside = discriminators_path(path)
    if beside.exists():
        theirs, discriminators = _load_networks(beside, ("netD_A", "netD_B"))
        if theirs.get("belongs_to") != header["sha256"]:
            raise CheckpointError(
                f"{beside} belongs to other weights than {path}", "copy both files again, or delete this one"
            )
        networks |= discriminators
    return _assemble(header["name"], Architecture.from_dict(header["architecture"]), header, networks)


def _load_networks(path: Path, keys: Sequence[str]) -> tuple[dict[str, Any], dict[str, torch.nn.Module]]:
    """Header and networks of one file, verified."""
    header, arrays = read_verified(path)
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    try:
        architecture = Architecture.from_dict(header["architecture"])
        networks: dict[str, torch.nn.Module] = {}
        for key in keys:
            networks[key] = _fresh(key, architecture)
            part = {n.removeprefix(f"{key}."): t.float() for n, t in state.items() if n.startswith(f"{key}.")}
            networks[key].load_state_dict(part)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit its own architecture ({error!s:.120})", DAMAGED) from None
    return header, networks


def _fresh(key: str, architecture: Architecture) -> torch.nn.Module:
    if key.startswith("netD"):
        return build_discriminator(architecture)
    return build_generator(architecture, photos=key == "netG_A")


def make_header(
    name: str,
    architecture: Architecture,
    training: dict[str, Any],
    licence: str,
    state: Mapping[str, Tensor],
    belongs_to: str = "",
) -> dict[str, Any]:
    """The header of a checkpoint, its sha256 included."""
    header: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "architecture": architecture.to_dict(),
        "stage_sizes": [stage.size for stage in architecture.stages],
        "training": training,
        "licence": licence,
    }
    if belongs_to:
        header["belongs_to"] = belongs_to
    header["sha256"] = header_sha256(header, {name: t.detach().cpu().numpy() for name, t in state.items()})
    return header


def network_of(base: BaseArrays) -> StackedGenerator:
    """A generator with these parameters, in eval mode, no gradients."""
    with torch.random.fork_rng(devices=[]):
        net = build_generator(base.architecture)
    net.load_state_dict({name: torch.tensor(array) for name, array in base.parameters.items()})
    net.name_or_path = base.name
    return net.eval().requires_grad_(False)


def arrays_of(model: BaseModel) -> BaseArrays:
    """A model's photo-to-drawing direction as arrays; they share its memory."""
    parameters = {name: tensor.detach().cpu().numpy() for name, tensor in model.netG_A.state_dict().items()}
    return BaseArrays(model.name, model.sha256, model.architecture, parameters, model.header)


def _tensors(networks: Mapping[str, torch.nn.Module]) -> dict[str, Tensor]:
    return {
        f"{key}.{name}": tensor.detach().cpu().contiguous()
        for key, net in networks.items()
        for name, tensor in net.state_dict().items()
    }


def _assemble(
    name: str, architecture: Architecture, header: dict[str, Any], networks: dict[str, torch.nn.Module]
) -> BaseModel:
    for net in networks.values():
        net.eval()
        if isinstance(net, StackedGenerator):
            # PEFT writes this into adapter_config.json as the base's id.
            net.name_or_path = name
    return BaseModel(
        name=name,
        architecture=architecture,
        netG_A=cast(StackedGenerator, networks["netG_A"]),
        netG_B=cast(StackedGenerator, networks["netG_B"]),
        netD_A=cast("PatchGAN | None", networks.get("netD_A")),
        netD_B=cast("PatchGAN | None", networks.get("netD_B")),
        sha256=header["sha256"],
        header=header,
    )

"""The base checkpoint: one safetensors file with both directions, discriminators and one JSON header.

Tensors are named `netG_A.*`, `netG_B.*`, `netD_A.*`, `netD_B.*` and stored as float16; a file without
discriminators is valid. The header is one JSON value under the metadata key `scan`:

    format        1
    name          "scan_128.anime"
    architecture  StageSpecs and switches, see architectures.py
    stage_sizes   [64, 128]
    training      facts: pictures seen, minutes, hardware, seed, options, versions
    licence       licence words of the training data
    sha256        over all tensors and the header without this field

So a flipped byte anywhere is noticed on loading.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from base_models.architectures import ARCHITECTURES, Architecture
from base_models.discriminators import PatchGAN
from base_models.registry import HEADER_KEY, CheckpointError, read_header
from base_models.scan import StackedGenerator, init_weights

FORMAT = 1


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
    """Photo discriminator of the last stage, if the file holds it."""
    netD_B: PatchGAN | None
    """Drawing discriminator of the last stage: adaptation may start from it."""
    sha256: str
    """Identity of the weights; adapters name it."""
    header: dict[str, Any]
    """The whole header."""


def build_networks(architecture: Architecture) -> tuple[StackedGenerator, StackedGenerator]:
    """Fresh netG_A and netG_B of an architecture, weights drawn from torch's global generator."""

    def make() -> StackedGenerator:
        net = StackedGenerator(architecture.stages, fusion=architecture.fusion, skip=architecture.skip)
        init_weights(net)
        return net

    return make(), make()


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
) -> bytes:
    """The file's content: float16 tensors and the header; the caller writes it (atomically).

    Args:
        networks: `netG_A` and `netG_B`, optionally `netD_A` and `netD_B`.
        training: facts for the header, JSON-ready.
        licence: licence words of the training data.

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
    header = make_header(name, architecture, training, licence, state)
    return save(state, metadata={HEADER_KEY: json.dumps(header, sort_keys=True)})


def load_checkpoint(path: Path) -> BaseModel:
    """Read, verify and build a base model.

    Raises:
        CheckpointError: unreadable, altered, of a newer format, or of another shape than its header says.
    """
    hint = "the file is damaged: reinstall the package or copy the file again"
    header = read_header(path)
    if header.get("format") != FORMAT:
        raise CheckpointError(
            f"{path} has format {header.get('format')}, expected {FORMAT}", "update fewshot-style to read it"
        )
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error!s:.80})", hint) from None
    if header_sha256(header, state) != header.get("sha256"):
        raise CheckpointError(f"{path} does not match its own sha256", hint)
    try:
        architecture = Architecture.from_dict(header["architecture"])
        netG_A, netG_B = build_networks(architecture)
        networks: dict[str, torch.nn.Module] = {"netG_A": netG_A, "netG_B": netG_B}
        for key in ("netD_A", "netD_B"):
            if any(name.startswith(f"{key}.") for name in state):
                networks[key] = build_discriminator(architecture)
        for key, net in networks.items():
            part = {n.removeprefix(f"{key}."): t.float() for n, t in state.items() if n.startswith(f"{key}.")}
            net.load_state_dict(part)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit its own architecture ({error!s:.120})", hint) from None
    return _assemble(header["name"], architecture, header, networks)


def make_header(
    name: str, architecture: Architecture, training: dict[str, Any], licence: str, state: Mapping[str, Tensor]
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
    header["sha256"] = header_sha256(header, state)
    return header


def header_sha256(header: Mapping[str, Any], state: Mapping[str, Tensor]) -> str:
    """sha256 over the header without its `sha256` and over names, dtypes, shapes and bytes of the tensors."""
    rest = {key: value for key, value in header.items() if key != "sha256"}
    digest = hashlib.sha256(json.dumps(rest, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


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

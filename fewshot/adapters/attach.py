"""Attach a fresh PEFT adapter to a generator for training.

What PEFT 0.21 does, and why the methods are built as they are:

- `lora` and `rslora` put `LoraConfig` on every convolution, `lokr` `LoKrConfig`, `loha` `LoHaConfig`.
  InstanceNorm affines go through `modules_to_save`, which names only real InstanceNorm modules: the blocks
  also have an `nn.Identity` called `norm`.
- `boft` is `BOFTConfig` with one butterfly factor, which is block-diagonal OFT. Blocks must divide I·k² of a
  convolution; where they do not, as in a first layer of 3·7², the convolution stays the base's. So does what
  modulates the norms, since nothing turned is nothing.
- A `LoraConfig` without any target is refused, so `norm-only` and `full` are `LNTuningConfig`: it trains a
  copy of each targeted module, whatever its type, and merges exactly.
- A list of `target_modules` matches by suffix and would hit more than was meant; one regex string must
  match the whole name, so every module is spelled out in one.

Measured in float32, |fresh - base| and |merged - unmerged| of the pictures with random tensors; kernels 1, 3,
3 with stride 2 and 7 behind reflection padding, then scan_tiny, then scan_128:

    method   fresh    kernels   scan_tiny  scan_128
    lora     0        2.9e-6    1.9e-7     1.8e-6
    rslora   0        4.5e-6    3.1e-7     2.2e-6
    lokr     0        2.1e-6    1.5e-7     1.9e-6
    loha     0        2.4e-6    9.7e-8     2.3e-6
    boft     0        0         0          0
    oft      1.4      17        0.38       1.4      left out
    hra      1.7e-6   0         0          0        left out
    dora     0        1.8e-6    1.9e-7     2.1e-6   left out

Disabled, each is the base bit for bit. OFT folds overlapping windows into their sum: every kernel above 1x1
is wrong from the start. HRA is exact too, but a fresh one is the base only within rounding, and BOFT already
is an orthogonal update. DoRA trains the length of each kernel, which an InstanceNorm divides away behind all
but the last.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from peft import (
    BOFTConfig,
    LNTuningConfig,
    LoHaConfig,
    LoKrConfig,
    LoraConfig,
    PeftConfig,
    PeftModel,
    get_peft_model,
    get_peft_model_state_dict,
)
from peft.tuners.boft import layer as boft_layer
from torch import Tensor, nn

from fewshot.errors import UsageError

METHODS = ("lora", "rslora", "lokr", "loha", "boft", "norm-only", "full")

_LIVE = re.compile(r"\.modules_to_save\.[^.]+(?=\.)|(?<=\.lora_A)\.[^.]+(?=\.)|(?<=\.lora_B)\.[^.]+(?=\.)")
_LIVE_LN = re.compile(r"(?<=\.ln_tuning_layers)\.[^.]+(?=\.(?:weight|bias)$)")
_LIVE_BARE = re.compile(r"(\.(?:lokr_w[12](?:_[ab])?|hada_w[12]_[ab]|boft_[Rs]))\.[^.]+$")


def attach_adapter(
    netG_A: nn.Module,
    *,
    method: str,
    rank: int = 8,
    alpha: float = 8.0,
    train_norms: bool = True,
    base_sha256: str,
) -> PeftModel:
    """A copy of `netG_A` with a fresh adapter; only the adapter's parameters require a gradient.

    The copy draws exactly like `netG_A` until it is trained, and `netG_A` itself stays untouched. The factors
    that do not start at zero are drawn from torch's global generator: seed it before.

    Args:
        netG_A: a base's photo-to-drawing generator; its `name_or_path` becomes the adapter's base id.
        method: one of `METHODS`; `norm-only` trains the InstanceNorm affines, `full` every convolution and
            affine.
        rank: of the updates of `lora` and `rslora`; of each of the two products of `loha`; of the larger
            Kronecker factor of `lokr`, which from half its side on is stored whole; side of the blocks of
            `boft`, at least 2; unused by `norm-only` and `full`.
        alpha: the updates are multiplied by alpha / rank, in `rslora` by alpha / √rank; unused by `boft`,
            `norm-only` and `full`.
        train_norms: also train the InstanceNorm affines; unused by `norm-only` and `full`.
        base_sha256: `BaseModel.sha256`, stored as `revision` in the adapter's configuration.

    Raises:
        UsageError: an unknown method, a generator without `name_or_path`, or blocks of `boft` that divide no
            convolution.
    """
    if method not in METHODS:
        raise UsageError(f"unknown adapter method {method!r}", f"use one of {', '.join(METHODS)}")
    if not getattr(netG_A, "name_or_path", ""):
        raise UsageError(
            "the generator has no name_or_path, so its adapter could name no base",
            "load it with base_models.registry.create_model",
        )
    config = _config(netG_A, method, rank, alpha, train_norms)
    config.revision = base_sha256
    with warnings.catch_warnings(), _no_compiler():
        # LN tuning asks every layer for its in and out features, which an InstanceNorm has no words for.
        warnings.filterwarnings("ignore", message="Unsupported layer type")
        model = get_peft_model(copy.deepcopy(netG_A), config)
    return model


def _config(netG_A: nn.Module, method: str, rank: int, alpha: float, train_norms: bool) -> PeftConfig:
    # What finds the parts of a face stays as it is: an adapter learns how an artist paints them.
    modules = {n: m for n, m in netG_A.named_modules() if not n.startswith("parser.")}
    convolutions = {n: m for n, m in modules.items() if isinstance(m, nn.Conv2d)}
    norms = [n for n, m in modules.items() if isinstance(m, nn.InstanceNorm2d) and m.affine]
    if method in ("norm-only", "full"):
        targets = norms if method == "norm-only" else [*convolutions, *norms]
        return LNTuningConfig(target_modules=_one_regex(targets))
    whole_alpha = int(alpha) if float(alpha).is_integer() else alpha
    names, saved = _one_regex(list(convolutions)), norms if train_norms else None
    if method == "lokr":
        return LoKrConfig(r=rank, alpha=whole_alpha, target_modules=names, modules_to_save=saved)
    if method == "loha":
        return LoHaConfig(r=rank, alpha=whole_alpha, target_modules=names, modules_to_save=saved)
    if method == "boft":
        return BOFTConfig(
            boft_block_size=rank,
            boft_n_butterfly_factor=1,
            target_modules=_one_regex(_divisible(convolutions, rank)),
            modules_to_save=saved,
        )
    return LoraConfig(
        r=rank,
        lora_alpha=whole_alpha,
        use_rslora=method == "rslora",
        target_modules=names,
        modules_to_save=saved,
    )


def _divisible(convolutions: Mapping[str, nn.Conv2d], side: int) -> list[str]:
    """The convolutions whose I·k² is a multiple of the blocks' side, but for those that start at zero."""
    names = [
        name
        for name, module in convolutions.items()
        if side > 1 and module.weight[0].numel() % side == 0 and not name.endswith((".film", ".place"))
    ]
    if not names:
        raise UsageError(
            f"blocks of {side} divide no convolution of this base, so boft has nothing to turn",
            "take another block size, such as rank=8",
        )
    return names


@contextmanager
def _no_compiler() -> Iterator[None]:
    """BOFT's layers, as they are made, try to compile a CUDA kernel that puts blocks on a diagonal; without
    it they use `torch.block_diag`, on any device."""
    before = getattr(boft_layer, "_FBD_CUDA", None)
    boft_layer._FBD_CUDA = False
    try:
        yield
    finally:
        boft_layer._FBD_CUDA = before


def adapter_state(model: PeftModel) -> dict[str, Tensor]:
    """The adapter's tensors under the names of `adapter_model.safetensors`, detached, on the CPU."""
    # The default would ask the hub whether the base has resized embeddings.
    state = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


def saved_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """`state` with the names of a live PeftModel's parameters turned into those of the file.

    So a moving average over `model.named_parameters()` can be written as it is; names that are already the
    file's are kept.
    """
    plain = (_LIVE_LN.sub("", _LIVE.sub("", _LIVE_BARE.sub(r"\1", name))) for name in state)
    return dict(zip(plain, state.values(), strict=True))


def _one_regex(names: list[str]) -> str:
    return "|".join(re.escape(name) for name in names)

"""ΔW of one convolution from the tensors of a PEFT adapter, in the precision of those tensors.

Formulas and tensor names are those of PEFT 0.21.2; each is tested against PEFT's own merge. W is
`(O, I, k, k)`, D = I·k², s = alpha / rank:

- LORA: s·B·A with A `(r, I, k, k)`, B `(O, r, 1, 1)` (Hu et al., arXiv 2106.09685); rsLoRA takes
  s = alpha / √rank (Kalajdzievski, arXiv 2312.03732).
- LOKR: s·(w1 ⊗ w2), either factor whole or a product of two (Yeh et al., arXiv 2309.14859).
- LOHA: s·(w1a·w1b) ⊙ (w2a·w2b) with `(O, r)` and `(r, D)` (Hyeon-Woo et al., arXiv 2108.06098).
- BOFT with one factor: diag(m)·W·Rᵀ - W, where R is block diagonal with the Cayley transforms
  (I - K)(I + K)⁻¹ of K = (Q - Qᵀ)/2, Q `(1, D/b, b, b)`, m `(1, O)` (Liu et al., arXiv 2311.06243).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Config = Mapping[str, Any]
Array = NDArray[Any]
Factors = Mapping[str, Array]

FACTORS: dict[str, tuple[str, ...]] = {
    "LORA": ("lora_A.weight", "lora_B.weight"),
    "LOKR": ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"),
    "LOHA": ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),
    "BOFT": ("boft_R", "boft_s"),
}
"""Names of a convolution's tensors, behind the module's name."""

# Options with other formulas than those above; PEFT itself merges these.
_OTHER: dict[str, tuple[str, ...]] = {
    "LORA": (
        *("use_dora", "use_qalora", "use_bdlora", "fan_in_fan_out", "lora_bias", "target_parameters"),
        *("rank_pattern", "alpha_pattern", "layer_replication", "arrow_config", "kasa_config"),
        "alora_invocation_tokens",
    ),
    "LOKR": ("rank_pattern", "alpha_pattern", "use_effective_conv2d"),
    "LOHA": ("rank_pattern", "alpha_pattern", "use_effective_conv2d"),
    "BOFT": ("fan_in_fan_out",),
}
_PLAIN_STARTS = (True, False, "gaussian", "orthogonal")


def has_formula(config: Config) -> bool:
    """Whether `change` is exact for adapters of this adapter_config.json."""
    kind = config.get("peft_type")
    if kind not in FACTORS or any(config.get(key) for key in _OTHER[kind]):
        return False
    if config.get("bias", "none") != "none":
        return False
    if kind == "LORA":
        # The other starts change the base's weights too.
        return config.get("init_lora_weights", True) in _PLAIN_STARTS
    return kind != "BOFT" or config.get("boft_n_butterfly_factor") == 1


def change(config: Config, factors: Factors, weight: Array) -> Array:
    """ΔW of a convolution with the base's `weight` `(O, I, k, k)`, of the same shape.

    Args:
        config: an adapter_config.json that `has_formula`.
        factors: its tensors under the names of `FACTORS`.

    Raises:
        ValueError, KeyError, IndexError, numpy.linalg.LinAlgError: tensors that are missing or do not fit one
            another or the weight.
        ScaleError: rank and alpha that are no numbers.
    """
    return _FORMULAS[config["peft_type"]](config, factors, weight)


class ScaleError(Exception):
    """Rank and alpha of a configuration are missing or no usable numbers."""


def _scale(config: Config, alpha: str) -> float:
    try:
        rank = int(config["r"])
        return float(config[alpha]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        raise ScaleError(f"r and {alpha} are no usable numbers") from None


def _lora(config: Config, factors: Factors, weight: Array) -> Array:
    below, above = factors["lora_A.weight"], factors["lora_B.weight"]
    if below.ndim != 4 or above.ndim != 4 or above.shape[1] != below.shape[0]:
        raise ValueError("the two factors are not of one rank")
    return _scale(config, "lora_alpha") * np.einsum("or,rikl->oikl", above[:, :, 0, 0], below)


def _lokr(config: Config, factors: Factors, weight: Array) -> Array:
    first, second = (
        factors[name] if name in factors else factors[f"{name}_a"] @ factors[f"{name}_b"]
        for name in ("lokr_w1", "lokr_w2")
    )
    if second.ndim == 4:
        first = first[:, :, None, None]
    return _scale(config, "alpha") * np.kron(first, second).reshape(weight.shape)


def _loha(config: Config, factors: Factors, weight: Array) -> Array:
    first, second = (factors[f"hada_{name}_a"] @ factors[f"hada_{name}_b"] for name in ("w1", "w2"))
    if first.shape != second.shape:
        raise ValueError("the two products differ in shape")
    return _scale(config, "alpha") * (first * second).reshape(weight.shape)


def _boft(config: Config, factors: Factors, weight: Array) -> Array:
    (blocks,), lengths = factors["boft_R"], factors["boft_s"].ravel()
    # Either would be broadcast in silence.
    if len(lengths) != len(weight) or blocks.shape[-1] != blocks.shape[-2]:
        raise ValueError("not one length per kernel, or blocks that are not square")
    skew = (blocks - blocks.swapaxes(1, 2)) / 2
    one = np.eye(skew.shape[-1], dtype=skew.dtype)
    # (I - K)(I + K)^-1; the two commute, so the inverse may come first.
    turns = np.linalg.solve(one + skew, one - skew)
    pieces = weight.reshape(len(weight), *turns.shape[:2])
    turned = np.einsum("nij,onj->oni", turns, pieces).reshape(weight.shape)
    return turned * lengths[:, None, None, None] - weight


_FORMULAS: dict[str, Callable[[Config, Factors, Array], Array]] = {
    "LORA": _lora,
    "LOKR": _lokr,
    "LOHA": _loha,
    "BOFT": _boft,
}

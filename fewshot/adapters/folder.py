"""Writing an adapter folder: a valid PEFT folder plus what a catalogue and a person need to know.

    adapter_model.safetensors  adapter_config.json   what PEFT reads
    adapter.json    name, base id and sha256, recipe hash, seed, steps, sha256 of the reference pictures
                    (never paths), metrics, package versions, licence, consent, sha256 of every other file
                    and of itself
    recipe.toml     metrics.json   preview.png   README.md (card)
    style_features.safetensors     features of reference and result pictures

Sizes: the folder is at most 2 MB. Tensors are stored as float32 when that fits and as float16 otherwise
(PEFT casts them back on loading). `method = "full"` is a control that no small folder can hold; it is
float16 of any size.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save
from torch import Tensor

from fewshot.adapters.adapter import Adapter, read_adapter
from fewshot.adapters.attach import adapter_state, saved_names
from fewshot.adapters.card import write_card
from fewshot.adapters.files import CONFIG, FORMAT, RECORD, WEIGHTS, record_bytes
from fewshot.adapters.modelspec import modelspec, with_metadata
from fewshot.adapters.swap import replacing_folder
from fewshot.consent import Consent
from fewshot.errors import BadInputError
from fewshot.home import check_name

if TYPE_CHECKING:
    from peft import PeftConfig, PeftModel

    from recipes import Recipe

MAX_BYTES = 2_000_000
_OTHER_BYTES = 150_000
"""What a folder's texts, the features of sixty drawings and the names of the tensors take at most."""
_PREVIEW_BYTES = 150_000, 450_000
"""What the preview may take where the weights leave little room, and where they leave much."""
PACKAGES = ("fewshot-style", "torch", "peft", "safetensors", "numpy", "pillow")


def write_adapter(
    folder: str | Path,
    weights: PeftModel | Mapping[str, Tensor],
    *,
    config: PeftConfig | None = None,
    name: str,
    base_name: str,
    base_sha256: str,
    recipe_toml: str,
    recipe_hash: str,
    seed: int,
    steps: int,
    reference_hashes: Sequence[str],
    metrics: Mapping[str, Any],
    preview_png: bytes,
    style_features: Mapping[str, Tensor],
    extractor_sha256: str,
    licence: str,
    consent: Consent,
    overwrite: bool = False,
) -> Adapter:
    """Write a complete adapter folder and read it back, verified, before it takes its place.

    Args:
        folder: where the adapter goes; until all of it is on the disk, nothing is there or the old one is.
        weights: the trained PeftModel, or its tensors (names of the file or of `named_parameters()`, such
            as an average over steps); with tensors, `config` is `model.peft_config["default"]`.
        metrics: JSON-ready; a value that is a mapping (such as value, low, high, n, extractor) is a row of
            the card.
        preview_png: a PNG file's content.
        style_features: such as `references` `(n, d)` and `results` `(m, d)`, from the extractor of that
            sha256.
        consent: of the artist.
        overwrite: replace an adapter that is there.

    Raises:
        ConflictError: there is one and `overwrite` is false.
        BadInputError: over 2 MB even as float16, not finite, or the disk refuses.
        UsageError: a name that is no folder name everywhere.
    """
    name = check_name(name)
    state, config = _state_and_config(weights, config)
    _require_finite(state)
    saved = _config(config, base_name, base_sha256)
    method = str(saved["peft_type"]).lower()
    files: dict[str, bytes] = {
        CONFIG: _json(saved),
        "recipe.toml": recipe_toml.encode(),
        "metrics.json": _json(metrics),
        "preview.png": preview_png,
        "style_features.safetensors": _features(style_features, extractor_sha256),
    }
    record: dict[str, Any] = {
        "format": FORMAT,
        "name": name,
        "base": {"name": base_name, "sha256": base_sha256},
        "recipe": {"file": "recipe.toml", "hash": recipe_hash},
        "seed": seed,
        "steps": steps,
        "references": list(reference_hashes),
        # The course of the training is in metrics.json alone.
        "metrics": {key: value for key, value in metrics.items() if not isinstance(value, list)},
        "extractor_sha256": extractor_sha256,
        "versions": _versions(),
        "licence": licence,
        "consent": consent.to_dict(),
    }
    files["README.md"] = write_card(record, saved).encode()
    files[WEIGHTS] = _weights(state, modelspec(record, method), MAX_BYTES - _size(files, record))
    record["files"] = {file: hashlib.sha256(content).hexdigest() for file, content in sorted(files.items())}
    files[RECORD] = record_bytes(record)
    folder = Path(folder)
    with replacing_folder(folder, overwrite=overwrite) as temporary:
        for file, content in files.items():
            (temporary / file).write_bytes(content)
        adapter = read_adapter(temporary)
    return dataclasses.replace(adapter, folder=folder)


def check_fits(trainable: int, recipe: Recipe) -> None:
    """Refuse before training what no adapter folder can hold after it.

    Args:
        trainable: parameters that the recipe trains.

    Raises:
        BadInputError: they take more than the folder has room for, even as float16.
    """
    room = MAX_BYTES - _OTHER_BYTES - _PREVIEW_BYTES[0]
    if recipe.method != "full" and 2 * trainable > room:
        raise BadInputError(
            f"rank {recipe.rank} makes an adapter of {2 * trainable / 1e6:.1f} MB as float16, "
            f"expected at most {room / 1e6:.1f} MB",
            f"take a lower rank and alpha, such as rank={recipe.rank // 2} alpha={recipe.alpha / 2:g}",
        )


def preview_bytes(trainable: int, metrics: Mapping[str, Any]) -> int:
    """How large the preview of an adapter with that many parameters and these metrics may be."""
    least, most = _PREVIEW_BYTES
    return min(most, max(least, MAX_BYTES - _OTHER_BYTES - 2 * trainable - len(_json(metrics))))


def _state_and_config(
    weights: PeftModel | Mapping[str, Tensor], config: PeftConfig | None
) -> tuple[dict[str, Tensor], PeftConfig]:
    if isinstance(weights, Mapping):
        if config is None:
            raise ValueError('tensors alone are no adapter: pass config=model.peft_config["default"]')
        state = {n: t.detach().cpu().contiguous() for n, t in saved_names(weights).items()}
        return state, config
    return adapter_state(weights), config or weights.peft_config["default"]


def _require_finite(state: Mapping[str, Tensor]) -> None:
    broken = [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise BadInputError(
            f"the trained adapter holds values that are not finite ({broken[0]} and {len(broken) - 1} more)",
            "train again with a lower rate, such as lr=3e-4",
        )


def _config(config: PeftConfig, base_name: str, base_sha256: str) -> dict[str, Any]:
    # PEFT keeps lists as sets here and there; sorted, the same adapter has the same bytes.
    values = {
        key: sorted(value) if isinstance(value, set) else value for key, value in config.to_dict().items()
    }
    if values.get("modules_to_save"):
        values["modules_to_save"] = sorted(values["modules_to_save"])
    return {
        **values,
        "peft_type": str(getattr(config.peft_type, "value", config.peft_type)),
        "base_model_name_or_path": base_name,
        "revision": base_sha256,
        "inference_mode": True,
    }


def _weights(state: Mapping[str, Tensor], metadata: Mapping[str, str], room: int) -> bytes:
    content = with_metadata(save({name: tensor.float() for name, tensor in state.items()}), metadata)
    if len(content) <= room:
        return content
    content = with_metadata(save({name: tensor.half() for name, tensor in state.items()}), metadata)
    if len(content) > room and not _trains_everything(state):
        raise BadInputError(
            f"the adapter needs {len(content):,} bytes as float16, {max(room, 0):,} are left of the "
            f"{MAX_BYTES:,} that an adapter folder may have",
            "train with a lower rank, such as rank=8",
        )
    return content


def _trains_everything(state: Mapping[str, Tensor]) -> bool:
    return any(".ln_tuning_layers." in name and tensor.dim() == 4 for name, tensor in state.items())


def _size(files: Mapping[str, bytes], record: Mapping[str, Any]) -> int:
    checksums = 100 * (len(files) + 2)
    return sum(map(len, files.values())) + len(_json(record)) + checksums


def _features(features: Mapping[str, Tensor], extractor_sha256: str) -> bytes:
    state = {name: tensor.detach().cpu().half().contiguous() for name, tensor in features.items()}
    return save(state, metadata={"fewshot": json.dumps({"extractor_sha256": extractor_sha256})})


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found

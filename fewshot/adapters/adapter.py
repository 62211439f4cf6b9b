"""One style in memory: the verified files of its folder, and the tensors in them. Loads without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load

from fewshot.adapters.files import HINT, WEIGHTS, AdapterFiles, read_files
from fewshot.consent import UNKNOWN, Consent
from fewshot.errors import IntegrityError


@dataclass(frozen=True)
class Adapter:
    """One style: what was learned on top of a base, and what is known of it."""

    folder: Path
    """Where it was read from."""
    name: str
    """What the artist called it."""
    base_name: str
    """The base it belongs to, such as `scan_128.anime`."""
    base_sha256: str
    """Identity of that base's weights; empty in a plain PEFT folder that does not say."""
    config: Mapping[str, Any]
    """adapter_config.json."""
    state: Mapping[str, NDArray[Any]] = field(repr=False)
    """Tensors under PEFT's names, float32 or float16."""
    sha256: str
    """Over tensors and configuration: adapters with the same one draw the same."""
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """adapter.json; empty for a plain PEFT folder."""
    consent: Consent = UNKNOWN
    """The artist's: what the catalogue knows of a catalogued style, what adapter.json says of others."""

    @property
    def licence(self) -> str:
        """Licence words of the adapter; empty when nothing is stated."""
        return str(self.record.get("licence") or "")


def read_adapter(folder: str | Path) -> Adapter:
    """Read and verify an adapter folder; raises as `fewshot.adapters.files.read_files` does."""
    return adapter_of(read_files(folder))


def adapter_of(files: AdapterFiles) -> Adapter:
    """The same from files that were read already."""
    try:
        state = load(files.contents[WEIGHTS])
    # NumPy has no bfloat16: that is a KeyError.
    except (safetensors.SafetensorError, KeyError, TypeError) as error:
        raise IntegrityError(f"{files.folder / WEIGHTS}: damaged ({error!s:.80})", HINT) from None
    return Adapter(
        folder=files.folder,
        name=files.name,
        base_name=files.base_name,
        base_sha256=files.base_sha256,
        config=files.config,
        state=state,
        sha256=files.sha256,
        record=files.record,
        consent=files.consent,
    )

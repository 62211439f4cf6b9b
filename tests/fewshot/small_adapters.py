"""Real small adapters in numbers: one is written by the toolkit, the others have other values."""

import hashlib
import io
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load, save

from base_models.architectures import ARCHITECTURES
from base_models.checkpoint import random_model, save_checkpoint
from base_models.registry import create_model
from eval.style_encoder import DIM
from eval.style_encoder import WEIGHTS as ENCODER
from eval.weight_files import file_sha256
from fewshot.adapters.attach import attach_adapter
from fewshot.adapters.files import RECORD, WEIGHTS, record_bytes, seal
from fewshot.adapters.folder import write_adapter
from fewshot.catalog.bundle_file import Bundle, pack
from fewshot.consent import Consent

FEATURES = "style_features.safetensors"
EXTRACTOR = file_sha256(ENCODER)


def write_template(folder: Path) -> Path:
    """An adapter of rank 1 on the tiny base, with everything that `fewshot adapt` writes."""
    base = create_model("scan_tiny")
    torch.manual_seed(0)
    model = attach_adapter(base.netG_A, method="lora", rank=1, alpha=1.0, base_sha256=base.sha256)
    preview = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(preview, "PNG")
    write_adapter(
        folder,
        model,
        name="template",
        base_name=base.name,
        base_sha256=base.sha256,
        recipe_toml='method = "lora"\n',
        recipe_hash="0" * 64,
        seed=0,
        steps=3,
        reference_hashes=["a" * 64, "b" * 64],
        metrics={"kid": {"base": 0.2, "adapter": 0.05, "n": 48, "extractor": "style"}, "rank": 1},
        preview_png=preview.getvalue(),
        style_features={"references": torch.ones(3, DIM), "results": torch.ones(2, DIM)},
        extractor_sha256=EXTRACTOR,
        licence="CC0-1.0",
        consent=Consent("granted"),
    )
    return folder


def write_variant(template: Path, folder: Path, seed: int, **record: Any) -> Path:
    """The template with other weights, features and KID; what `record` names is written into adapter.json."""
    shutil.copytree(template, folder)
    rng = np.random.default_rng(seed)
    weights = load((template / WEIGHTS).read_bytes())
    moved = {
        name: value + rng.normal(0, 0.01, value.shape).astype(value.dtype) for name, value in weights.items()
    }
    hand = rng.normal(size=DIM)
    drawn = {kind: hand + 0.3 * rng.normal(size=(n, DIM)) for kind, n in (("references", 3), ("results", 2))}
    known = json.loads((template / RECORD).read_text())
    metrics = {**known["metrics"], "kid": {**known["metrics"]["kid"], "adapter": float(rng.uniform(0, 0.2))}}
    files = {
        WEIGHTS: save(moved, metadata={"format": "pt"}),
        FEATURES: save({kind: rows.astype("<f2") for kind, rows in drawn.items()}),
        "metrics.json": json.dumps(metrics).encode(),
    }
    for path, data in files.items():
        (folder / path).write_bytes(data)
        known["files"][path] = hashlib.sha256(data).hexdigest()
    sealed = seal({**known, "name": folder.name, "metrics": metrics, "seed": seed, **record})
    (folder / RECORD).write_text(json.dumps(sealed))
    return folder


def write_features(folder: Path, references: np.ndarray) -> None:
    """Put other features of reference drawings, `(n, DIM)`, into an adapter."""
    content = save({"references": references.astype("<f2")})
    (folder / FEATURES).write_bytes(content)
    record = json.loads((folder / RECORD).read_text())
    record["files"][FEATURES] = hashlib.sha256(content).hexdigest()
    (folder / RECORD).write_text(json.dumps(seal(record)))


def hand_of(folder: Path) -> np.ndarray:
    """Features `(3, DIM)` of the reference drawings of an adapter."""
    return load((folder / FEATURES).read_bytes())["references"].astype(np.float32)


def studio_base(seed: int) -> tuple[bytes, str]:
    """A base file that nobody else has, and its sha256."""
    model = random_model("scan_tiny", seed)
    networks = {"netG_A": model.netG_A, "netG_B": model.netG_B}
    data = save_checkpoint(
        "studio.base", ARCHITECTURES["scan_tiny"], networks, training={}, licence="CC0-1.0"
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "studio.base.safetensors")
        path.write_bytes(data)
        return data, create_model(str(path)).sha256


def foreign_bundle(packed: Bundle, name: str, base: bytes | None, sha256: str, claimed: str = "") -> bytes:
    """The bundle for another base: its adapter says so too, unless it claims something else."""
    record = json.loads(packed.files["adapter.json"])
    record["base"] = {"name": name, "sha256": claimed or sha256}
    files = {**packed.files, "adapter.json": record_bytes(record)}
    plain = {key: value for key, value in packed.manifest.items() if key != "files"}
    return pack({**plain, "base": {"name": name, "sha256": sha256}}, files, base)

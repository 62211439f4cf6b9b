"""Make the judges of `eval/style_unseen.py`: the style encoder's last layer without the artists of each fold.

    python -m fewshot.training.style_unseen --data DIR

The distilled backbone never saw an artist, so only step 2 of `style_encoder` is repeated, on the shipped
backbone and from a fresh last layer, once for each fold of `style_folds`. A few minutes on two CPU cores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from eval.style_encoder import WEIGHTS as ENCODER
from eval.style_encoder import StyleEncoder, load_style
from eval.style_unseen import HEADER, LAST, WEIGHTS, last_layer
from eval.weight_files import file_sha256
from fewshot.files import atomic_write_bytes
from fewshot.output import notice
from fewshot.training.style_batches import Sources, draw_plain, load_sources
from fewshot.training.style_encoder import Settings, contrast
from fewshot.training.style_folds import embed_all, folds, retrieval

_NORM_BATCHES = 60
"""Batches of plain pictures that the fresh BatchNorm takes its averages from."""


def fresh_last_layer(sources: Sources, settings: Settings) -> StyleEncoder:
    """The shipped backbone with a last layer that knows nothing, as the distillation leaves it."""
    torch.manual_seed(settings.seed)
    encoder = StyleEncoder()
    shipped = {name: t for name, t in load_style().state_dict().items() if name.split(".")[0] not in LAST}
    encoder.load_state_dict(shipped, strict=False)
    encoder.eval().norm.train()
    rng = np.random.default_rng(settings.seed)
    with torch.no_grad():
        for _ in range(_NORM_BATCHES):
            encoder.statistics(encoder.maps(draw_plain(sources, settings.distil_batch, rng)))
    return encoder.eval()


def judge_bytes(sources: Sources, settings: Settings) -> bytes:
    """The file, and each fold's retrieval of its unseen artists as a notice."""
    start = fresh_last_layer(sources, settings)
    parts = folds(list(sources.artists))
    tensors: dict[str, torch.Tensor] = {}
    for number, left_out in enumerate(parts):
        encoder = contrast(start, sources.without(left_out), settings)
        tensors |= {f"{number}.{name}": tensor for name, tensor in last_layer(encoder).items()}
        _tell(encoder, sources, left_out)
    facts = {"folds": parts, "encoder": file_sha256(ENCODER)}
    return save(tensors, metadata={HEADER: json.dumps(facts, sort_keys=True)})


def _tell(encoder: StyleEncoder, sources: Sources, left_out: tuple[str, ...]) -> None:
    labels = np.concatenate([[name] * len(pack) for name, pack in sources.artists.items()])
    rows = embed_all(encoder, np.concatenate([pack.pixels for pack in sources.artists.values()]))
    for name in left_out:
        precision, first = retrieval(rows, labels, np.flatnonzero(labels == name))
        notice(f"{name}, unseen: mAP {precision.mean():.3f}, top-1 {first.mean():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of picture packs and artists")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--cache", type=Path, default=None, help="folder for decoded packs")
    options = parser.parse_args()
    content = judge_bytes(load_sources(options.data, 144, options.cache), Settings())
    atomic_write_bytes(options.out, content)
    notice(f"wrote {options.out} ({len(content) / 1e3:.0f} kB)")


if __name__ == "__main__":
    main()

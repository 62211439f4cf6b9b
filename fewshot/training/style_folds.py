"""How well drawings find others by the same hand, when that hand was never trained on.

The artists are split into three folds by a fixed seed. For each, an encoder is trained without its artists,
and every drawing of these looks for its own artist's others among the drawings of **all** artists, those that
the encoder knows included. All methods answer the same queries among the same drawings, itself left out.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.features import extract, get_extractor, square
from eval.intervals import bootstrap_mean, wilson
from eval.random_features import disc_pictures
from eval.style_encoder import SIZE, StyleEncoder
from fewshot.output import notice
from fewshot.training.style_batches import Sources

FOLDS = 3
_SPLIT_SEED = 0

Embed = Callable[[Tensor], Tensor]
"""RGB `(B, 3, H, W)` in [0, 1] to rows `(B, D)`."""


def folds(names: list[str]) -> list[tuple[str, ...]]:
    """The artists in `FOLDS` parts of nearly equal numbers."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(sorted(names))
    return [tuple(str(name) for name in part) for part in np.array_split(order, FOLDS)]


def measure_folds(sources: Sources, train: Callable[[Sources], StyleEncoder]) -> dict[str, Any]:
    """mAP and top-1 on unseen artists: the encoder's and the baselines', by name.

    Args:
        sources: all artists and packs.
        train: an encoder from sources that lack a fold's artists.
    """
    labels = np.concatenate([[name] * len(pack) for name, pack in sources.artists.items()])
    pictures = np.concatenate([pack.pixels for pack in sources.artists.values()])
    precisions, firsts = np.full(len(labels), np.nan), np.full(len(labels), False)
    parts = folds(list(sources.artists))
    for number, left_out in enumerate(parts, 1):
        notice(f"fold {number} of {len(parts)}: without {', '.join(left_out)}")
        encoder = train(sources.without(left_out))
        asked = np.flatnonzero(np.isin(labels, left_out))
        precisions[asked], firsts[asked] = retrieval(embed_all(encoder, pictures), labels, asked)
        notice(f"fold {number}: mAP {precisions[asked].mean():.3f}, top-1 {firsts[asked].mean():.3f}")
    figures = {"style encoder, artist unseen": _figures(precisions, firsts, labels)}
    everything = np.arange(len(labels))
    for name, rows in baselines(pictures).items():
        # Each baseline has the better of two chances: as it is, and standardised over the drawings.
        tried = [retrieval(r, labels, everything) for r in (rows, _standardised(rows))]
        figures[name] = _figures(*max(tried, key=lambda found: float(found[0].mean())), labels)
    return {"folds": parts, "drawings": len(labels), "chance": _chance(labels), "figures": figures}


def retrieval(rows: np.ndarray, labels: np.ndarray, asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision and whether the nearest is right, for the drawings `asked` among all others.

    Args:
        rows: features (N, D), compared by cosine.
        labels: artist of each (N,).
        asked: rows that are queries.
    """
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    cosines = unit[asked] @ unit.T
    cosines[np.arange(len(asked)), asked] = -np.inf
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :-1]
    hits = labels[order] == labels[asked][:, None]
    precision = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    return (precision * hits).sum(1) / hits.sum(1), hits[:, 0]


def baselines(pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Features (N, D) of uint8 pictures `(N, 3, S, S)` by methods that learned from no drawing."""
    torch.manual_seed(0)
    untrained = StyleEncoder()
    with torch.no_grad():
        # BatchNorm's averages come from synthetic pictures; as initialised they would leave everything flat.
        for _ in range(20):
            untrained.train()(disc_pictures(32, SIZE))
    untrained.eval()
    return {
        "colour histogram (Lab, 8x8x8)": np.stack([_histogram(picture) for picture in pictures]),
        "random weights, Gram matrices": _in_batches(_random_gram(), pictures),
        "backbone untrained, statistics": _in_batches(
            lambda x: untrained.statistics(untrained.maps(x)), pictures
        ),
        "backbone untrained, embedding": _in_batches(untrained, pictures),
        "extractor random": extract(get_extractor("random"), pictures),
        "extractor colour-edge": extract(get_extractor("colour-edge"), pictures),
    }


def embed_all(encoder: StyleEncoder, pictures: np.ndarray) -> np.ndarray:
    """Unit vectors (N, D) of uint8 pictures `(N, 3, S, S)`."""
    return _in_batches(encoder, pictures)


def _in_batches(embed: Embed, pictures: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        batches = (part.float() / 255 for part in torch.from_numpy(np.ascontiguousarray(pictures)).split(32))
        return torch.cat([embed(square(batch, SIZE)) for batch in batches]).numpy()


def _histogram(picture: np.ndarray) -> np.ndarray:
    import cv2

    lab = cv2.cvtColor(np.ascontiguousarray(picture.transpose(1, 2, 0)), cv2.COLOR_RGB2LAB)
    counts, _ = np.histogramdd(lab.reshape(-1, 3), bins=(8, 8, 8), range=((0, 256),) * 3)
    # Square roots make the cosine Bhattacharyya's coefficient.
    return np.sqrt(counts.ravel() / counts.sum())


def _random_gram() -> Embed:
    """Gram matrices (arXiv 1508.06576) of a random network's three maps (arXiv 1606.00021)."""
    generator = torch.Generator().manual_seed(1)
    widths = (3, 32, 48, 64)
    filters = [
        torch.randn(b, a, 3, 3, generator=generator) * (2 / (9 * a)) ** 0.5 for a, b in pairwise(widths)
    ]

    def grams(images: Tensor) -> Tensor:
        x, parts = images * 2 - 1, []
        for kernel in filters:
            x = F.relu(F.conv2d(F.pad(x, (1,) * 4, mode="reflect"), kernel, stride=2))
            flat = x.flatten(2)
            rows, columns = torch.triu_indices(flat.shape[1], flat.shape[1])
            gram = (flat @ flat.transpose(1, 2) / flat.shape[2])[:, rows, columns]
            parts.append(F.normalize(gram, dim=1))
        return torch.cat(parts, 1)

    return grams


def _standardised(rows: np.ndarray) -> np.ndarray:
    spread = rows.std(0)
    return (rows - rows.mean(0)) / np.maximum(spread, max(1e-3 * float(spread.max()), 1e-12))


def _figures(precisions: np.ndarray, firsts: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    hits, n = int(firsts.sum()), len(firsts)
    by_artist = {str(name): float(precisions[labels == name].mean()) for name in np.unique(labels)}
    return {
        "mAP": bootstrap_mean(precisions),
        "top-1": (hits / n, *wilson(hits, n)),
        "mAP by artist": by_artist,
    }


def _chance(labels: np.ndarray) -> float:
    """Share of a query's other drawings that are by the same hand, on average."""
    return float(np.mean([(np.count_nonzero(labels == name) - 1) / (len(labels) - 1) for name in labels]))

"""Features of gathered pictures: from the cache where they are known, and shared out among processes."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from eval.feature_cache import FeatureCache, fill
from eval.features import Extractor, check_finite, extract, get_extractor
from eval.framings import framings
from fewshot.errors import UsageError
from fewshot.evaluation.sources import Gathered
from fewshot.home import cache_folder
from fewshot.output import Progress, progress, warn

if TYPE_CHECKING:
    from accelerate import Accelerator

BATCH = 32
"""Pictures per step, and what a killed measurement loses at most."""


def feature_cache() -> FeatureCache:
    """The cache under `FEWSHOT_HOME`, `cache/features`; at most `eval.feature_cache.LIMIT_MB`."""
    return _cache_in(cache_folder() / "features")


@functools.cache
def _cache_in(folder: Path) -> FeatureCache:
    # One for each folder, so that one that cannot be written to is warned of once.
    return FeatureCache(folder, warn=warn)


def open_judge(
    name: str, weights: Path | None = None, sha256: str | None = None, device: str = "cpu"
) -> Extractor:
    """`eval.features.get_extractor` with the options of a command.

    Raises:
        UsageError: a GPU on a machine without one, or no device at all.
        EvalError: as `get_extractor`.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(f"--device {device}: this machine has no GPU", "leave --device out")
    try:
        torch.zeros(1, device=device).cpu()
    # What a build of torch lacks for a device it tells in many ways; `meta` has nothing to copy.
    except Exception:
        raise UsageError(
            f"--device {device}: there is no such device here", "use cpu, cuda or cuda:1"
        ) from None
    return get_extractor(name, weights=weights, sha256=sha256, device=device)


def features_of(
    judge: Extractor,
    pictures: Gathered | np.ndarray | Tensor,
    *,
    cache: FeatureCache | None = None,
    accelerator: Accelerator | None = None,
    quiet: bool = False,
) -> np.ndarray:
    """Features of pictures, each computed once and then found again.

    Pictures that a network has just drawn come as an array and are not looked up or kept: they are rarely
    drawn twice, and would push out those of files.

    Args:
        judge: from `eval.features.get_extractor`; of several processes, each on its own device.
        pictures: from `gather`; or uint8 `(N, 3, H, W)`, computed without the cache.
        cache: another cache than `feature_cache()`.
        accelerator: of several processes, which all call this with the same pictures: each takes every p-th
            one, and all get all features. None computes everything here.
        quiet: no progress bar, for a caller that shows its own.

    Returns:
        `(N, D)` float32 in the order of the pictures.

    Raises:
        EvalError: features that are not finite, with the picture's name (in every process).
    """
    if not isinstance(pictures, Gathered):
        return extract(judge, pictures, BATCH)
    rank, processes = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    own = range(rank, len(pictures), processes)
    store = cache or feature_cache()
    with contextlib.ExitStack() as stack:
        bars: list[Progress] = []

        def report(done: int) -> None:
            if not bars:
                bars.append(stack.enter_context(progress(f"{judge.name}: {pictures.source}", len(own), done)))
            bars[0].update(done)

        shown = report if len(own) > BATCH and not quiet and rank == 0 else None
        hashes = [pictures.hashes[i] for i in own]
        features = fill(judge, pictures.pixels[rank::processes], hashes, store, batch=BATCH, report=shown)
    if accelerator is not None and processes > 1:
        features = gather_rows(torch.from_numpy(features), len(pictures), accelerator).numpy()
    check_finite(judge, features, [f"{pictures.source}: {name}" for name in pictures.names])
    return features


def framed_features_of(
    judge: Extractor, drawings: Gathered | np.ndarray | Tensor, wholes: Tensor | None = None
) -> np.ndarray:
    """Features of one hand's drawings in each of their framings, for a style rank: `(N, V, D)` float32.

    The first framing is the drawings as they are given, so that `[:, 0]` is what `features_of` makes of them.

    Args:
        judge: from `eval.features.get_extractor`.
        drawings: as `features_of` takes them.
        wholes: of drawings that are no `Gathered`: the same before they were cut about their faces.
    """
    if isinstance(drawings, Gathered):
        framed: Iterator[Any] = drawings.framed()
    else:
        framed = framings(np.asarray(drawings), None if wholes is None else wholes.numpy())
    return np.stack([features_of(judge, side, quiet=True) for side in framed], 1)


def gather_rows(own: Tensor, n: int, accelerator: Accelerator) -> Tensor:
    """Everyone's rows in the order of what they are of, the same `(n, ...)` on the CPU in every process.

    Args:
        own: rows of this process: of every p-th picture, from the one of its rank on.
        n: pictures in all.
        accelerator: of the p processes.
    """
    processes = accelerator.num_processes
    if processes == 1:
        return own.cpu()
    padded = own.new_zeros(-(-n // processes), *own.shape[1:])
    padded[: len(own)] = own
    everyone = accelerator.gather(padded.to(accelerator.device)).cpu()
    rows = everyone.new_empty(n, *own.shape[1:])
    for rank, part in enumerate(everyone.chunk(processes)):
        rows[rank::processes] = part[: len(range(rank, n, processes))]
    return rows

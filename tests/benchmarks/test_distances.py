"""FID's arithmetic at D = 2048, from features to the number, beside torch-fidelity 0.4 in the same run.

Both get the same features and the same threads. One call of torch-fidelity takes seconds whatever n is, since
it looks for eigenvalues of a 2048 x 2048 matrix that is not symmetric; ours looks for singular values of an n
x n one. The ratio of the medians is noted and asserted, since both are of one run.
"""

import statistics
import time
from typing import Any

import numpy as np
import pytest
import torch
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric

from eval.distances import fid, kid_interval

DIM = 2048
THEIR_ROUNDS = 3


def features(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets as an Inception network gives them: not negative, uneven, and a little apart."""
    rng, spread = np.random.default_rng(0), np.arange(1, DIM + 1) ** -0.5
    return np.abs(rng.normal(0, 1, (n, DIM))) * spread, np.abs(rng.normal(0.2, 1.1, (n, DIM))) * spread


def torch_fidelity_fid(x: np.ndarray, y: np.ndarray) -> float:
    stats = [fid_features_to_statistics(torch.from_numpy(side)) for side in (x, y)]
    return float(fid_statistics_to_metric(*stats, verbose=False)[KEY_METRIC_FID])


@pytest.mark.benchmark(group="FID at D = 2048")
@pytest.mark.parametrize(("n", "least"), [(50, 200), (200, 200), (1000, 10)])
def test_fid_beside_torch_fidelity(benchmark: Any, n: int, least: float) -> None:
    """`times faster` is torch-fidelity's median of three over ours."""
    x, y = features(n)
    theirs, value = [], 0.0
    for _ in range(THEIR_ROUNDS):
        start = time.perf_counter()
        value = torch_fidelity_fid(x, y)
        theirs.append(time.perf_counter() - start)
    ours = benchmark.pedantic(fid, args=(x, y), rounds=15, warmup_rounds=2)
    assert ours == pytest.approx(value, rel=1e-4)
    faster = statistics.median(theirs) / benchmark.stats.stats.median
    benchmark.extra_info["torch-fidelity, seconds"] = round(statistics.median(theirs), 2)
    benchmark.extra_info["times faster"] = round(faster)
    benchmark.extra_info["threads"] = torch.get_num_threads()
    assert faster >= least


@pytest.mark.benchmark(group="KID with its interval at D = 2048")
@pytest.mark.parametrize("n", [30, 100, 500])
def test_kid_interval(benchmark: Any, n: int) -> None:
    """Kernel matrices, moments and interval."""
    found = benchmark.pedantic(kid_interval, args=features(n), rounds=8, warmup_rounds=1)
    assert found.low < found.value < found.high

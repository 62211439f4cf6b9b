"""PSNR and SSIM against scikit-image and against the formula of Wang et al. written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import correlate1d
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from eval.errors import EvalError
from eval.fidelity import WINDOW, mean_estimate, psnr, ssim


@pytest.fixture(scope="module")
def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Two crops of a photo and the same with noise, uint8 (2, 3, 64, 80)."""
    photo = data.astronaut().transpose(2, 0, 1)
    targets = np.stack([photo[:, :64, 200:280], photo[:, 100:164, 150:230]])
    noise = np.random.default_rng(0).normal(0, 20, targets.shape) * np.array([1.0, 0.2]).reshape(2, 1, 1, 1)
    return np.clip(targets + noise, 0, 255).astype(np.uint8), targets


def wang(x: np.ndarray, y: np.ndarray) -> float:
    """Mean SSIM of two grey pictures in 0..255, equations 6 and 12-17 of the paper."""
    offsets = np.arange(-5, 6)
    kernel = np.exp(-(offsets**2) / (2 * 1.5**2))
    kernel /= kernel.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        blurred = correlate1d(correlate1d(image, kernel, 0), kernel, 1)
        return np.asarray(blurred[5:-5, 5:-5])

    mx, my = mean(x), mean(y)
    vx, vy, vxy = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(values.mean())


def test_psnr_is_scikit_images(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    results, targets = pairs
    expected = [peak_signal_noise_ratio(t, r, data_range=255) for r, t in zip(results, targets, strict=True)]
    np.testing.assert_allclose(psnr(results, targets), expected, atol=1e-4)


def test_psnr_of_a_known_error() -> None:
    black, grey = np.zeros((1, 3, 8, 8), np.uint8), np.full((1, 3, 8, 8), 51, np.uint8)
    np.testing.assert_allclose(psnr(black, grey), [20 * np.log10(5)])
    assert psnr(grey, grey)[0] == np.inf


def test_ssim_is_scikit_images_and_the_papers(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    results, targets = pairs
    found = ssim(results, targets)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    for value, result, target in zip(found, results, targets, strict=True):
        reference = structural_similarity(target, result, channel_axis=0, data_range=255, **options)
        assert value == pytest.approx(reference, abs=1e-4)
        channels = zip(result.astype(float), target.astype(float), strict=True)
        assert value == pytest.approx(np.mean([wang(x, y) for x, y in channels]), abs=1e-4)
    # The second pair has a fifth of the noise.
    assert found[0] < found[1] < 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_in_0_to_1_measure_as_bytes_do(pairs: tuple[np.ndarray, np.ndarray], dtype: type) -> None:
    floats: list[np.ndarray] = [(side / 255).astype(dtype) for side in pairs]
    np.testing.assert_allclose(psnr(*floats), psnr(*pairs), atol=1e-4)
    np.testing.assert_allclose(ssim(*floats), ssim(*pairs), atol=1e-5)


def test_equal_pictures_are_perfect_and_an_inverted_one_is_worse_than_noise(
    pairs: tuple[np.ndarray, np.ndarray],
) -> None:
    _, targets = pairs
    np.testing.assert_allclose(ssim(targets, targets), 1)
    assert (ssim(255 - targets, targets) < 0.2).all()


def test_the_mean_has_an_interval_around_it() -> None:
    estimate = mean_estimate(np.array([10.0, 12.0, 14.0]))
    assert (estimate.value, estimate.n_y) == (12, 3)
    assert 10 <= estimate.low < 12 < estimate.high <= 14


def test_one_equal_pair_leaves_the_mean_a_number(pairs: tuple[np.ndarray, np.ndarray]) -> None:
    results, targets = pairs
    found = psnr(np.concatenate([results, targets[:1]]), np.concatenate([targets, targets[:1]]))
    assert np.isinf(found[-1])
    estimate = mean_estimate(found)
    assert found[:-1].mean() < estimate.value < 100
    assert estimate.low <= estimate.value <= estimate.high


@pytest.mark.parametrize(
    ("results", "targets", "words"),
    [
        (np.zeros((1, 3, 16, 16), np.uint8), np.zeros((2, 3, 16, 16), np.uint8), "one shape"),
        (np.zeros((1, 3, 16, 16), np.uint8), np.zeros((1, 3, 16, 16), np.float32), "one shape and dtype"),
        (np.zeros((3, 16, 16), np.uint8), np.zeros((3, 16, 16), np.uint8), "N, C, H, W"),
        (np.zeros((0, 3, 16, 16), np.uint8), np.zeros((0, 3, 16, 16), np.uint8), "found none"),
        (np.zeros((1, 3, 16, 16), np.int64), np.zeros((1, 3, 16, 16), np.int64), "int64"),
        (np.full((1, 3, 16, 16), -1.0), np.zeros((1, 3, 16, 16)), "from -1 to 0"),
        (np.full((1, 3, 16, 16), np.nan), np.zeros((1, 3, 16, 16)), "nan"),
    ],
)
def test_what_cannot_be_measured_is_named(results: np.ndarray, targets: np.ndarray, words: str) -> None:
    for measure in (psnr, ssim):
        with pytest.raises(EvalError, match=words):
            measure(results, targets)


def test_ssim_needs_a_whole_window() -> None:
    small = np.zeros((1, 3, WINDOW - 1, 32), np.uint8)
    with pytest.raises(EvalError, match="11 px"):
        ssim(small, small)

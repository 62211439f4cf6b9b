"""What every measure asks of features first: rows of finite numbers, enough of them, of one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from eval.errors import EvalError

SHOWN = 3
"""Names listed in an error; the others are counted."""


def check_features(rows: np.ndarray, names: Sequence[str] | None = None, *, least: int = 1) -> np.ndarray:
    """Features `(n, D)` as float64, or an error that says which pictures are at fault.

    The measures call this themselves and know only row numbers. Where names are known, call it once when the
    features are made.

    Args:
        rows: features (n, D), one row per picture.
        names: what to call the rows in an error, such as file names; row numbers unless given.
        least: fewest rows that make sense.

    Raises:
        EvalError: not two dimensions, fewer than `least` rows, no columns, nan or infinity, or names that
            are not as many as the rows.
    """
    features = np.asarray(rows, np.float64)
    if features.ndim != 2 or len(features) < least or not features.shape[1]:
        raise EvalError(
            f"expected features (n, D) with n >= {least}; found shape {features.shape}",
            "give one row of numbers per picture",
        )
    if names is not None and len(names) != len(features):
        raise EvalError(f"{len(names)} names for {len(features)} rows of features", "give one name per row")
    broken = np.flatnonzero(~np.isfinite(features).all(1))
    if len(broken):
        raise EvalError(
            f"features of {_named(broken, names)} contain nan or infinity",
            "leave these pictures out, or find out why the extractor made no number of them",
        )
    return features


def check_pair(x: np.ndarray, y: np.ndarray, *, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Both sides checked, with as many numbers in each row.

    Raises:
        EvalError: as `check_features`, or rows of different length.
    """
    x, y = check_features(x, least=least), check_features(y, least=least)
    if x.shape[1] != y.shape[1]:
        raise EvalError(
            f"features of {x.shape[1]} and {y.shape[1]} numbers", "use one extractor for both sides"
        )
    return x, y


def _named(broken: np.ndarray, names: Sequence[str] | None) -> str:
    shown = [names[row] if names is not None else f"row {row}" for row in broken[:SHOWN]]
    more = len(broken) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")

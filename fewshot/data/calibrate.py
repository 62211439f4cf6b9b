"""Measure how much drawings of one hand differ among themselves; writes `hand_scale.json`.

    python -m fewshot.data.calibrate ARTIST_FOLDER ARTIST_FOLDER … > fewshot/data/hand_scale.json

Each folder holds drawings of one artist. What comes out are the spreads and the correlations of the
statistics of `fewshot.data.hand` inside a folder, averaged over the folders: 42 + 42x42 numbers, no picture.
The shipped file was made from the nine `train` folders of the project's artists.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fewshot.data.hand import describe
from fewshot.data.pictures import list_pictures, open_picture

_SHRINKAGE = 0.3
"""Pull of the correlations towards none: nine folders do not determine 861 correlations."""


def measure(sets: Sequence[NDArray[np.float64]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Spread `(F,)` per statistic and whitening matrix `(F, F)` from the `(N, F)` statistics of several
    artists."""
    spread = np.sqrt(np.mean([values.var(axis=0) for values in sets], axis=0))
    inside = np.mean([np.cov(((values - values.mean(axis=0)) / spread).T) for values in sets], axis=0)
    inside = (1 - _SHRINKAGE) * inside + _SHRINKAGE * np.eye(len(spread))
    values, vectors = np.linalg.eigh(inside)
    return spread, vectors @ np.diag(values**-0.5) @ vectors.T


def main(folders: Sequence[str]) -> None:
    """Write the calibration of `folders` to stdout as JSON."""
    described = [[describe(open_picture(path)) for path in list_pictures(Path(folder))] for folder in folders]
    names = list(described[0][0])
    spread, whitening = measure([np.array([[d[n] for n in names] for d in one]) for one in described])
    rows = ",\n  ".join(json.dumps([float(f"{v:.4g}") for v in row]) for row in whitening)
    sys.stdout.write(
        f'{{"names": {json.dumps(names)},\n "spread": {json.dumps([float(f"{v:.4g}") for v in spread])},\n'
    )
    sys.stdout.write(f' "whitening": [\n  {rows}]}}\n')


if __name__ == "__main__":
    main(sys.argv[1:])

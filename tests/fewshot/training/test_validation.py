"""The numbers of the validation fold, as an adapter's metrics keep them."""

import json

import numpy as np
import torch

from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder
from fewshot.training.validation import Validation


def test_an_open_interval_of_few_drawings_can_be_written() -> None:
    """Few drawings and results like them: nothing bounds the distance from above; JSON has no infinity."""
    ink, flat = (torch.from_numpy(gather(sample_folder(hand), 32).pixels) for hand in ("ink", "flat"))
    open_ends = 0
    for count in (2, 3, 4, 6):
        validation = Validation(ink[:count], flat[:count], has_fold=True)
        found = validation.metrics(flat[:count], ink[count : 2 * count])
        read = json.loads(json.dumps(found, allow_nan=False))
        assert np.isfinite(read["kid"]["value"])
        open_ends += sum(read[key][end] is None for key in ("kid", "kid_base") for end in ("low", "high"))
    assert open_ends, "none of these intervals is open: the test says nothing"

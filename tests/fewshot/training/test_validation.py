"""The numbers of the validation fold, as an adapter's metrics keep them."""

import json

import torch

from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder
from fewshot.training.validation import Validation


def test_the_interval_of_few_drawings_can_be_written() -> None:
    """Few drawings and results like them bound the distance poorly from above; JSON has no infinity."""
    ink, flat = (torch.from_numpy(gather(sample_folder(hand), 32).pixels) for hand in ("ink", "flat"))
    for count in (2, 3, 4, 6):
        validation = Validation(ink[:count], flat[:count], has_fold=True)
        found = validation.metrics(flat[:count], ink[count : 2 * count])
        read = json.loads(json.dumps(found, allow_nan=False))
        for estimate in (read["kid"], read["kid_base"]):
            assert estimate["low"] <= estimate["value"] <= estimate["high"]

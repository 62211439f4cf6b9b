"""What is measured of a base's results: redraw photos there and back, then ask every question about them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from eval.content import content_identification
from eval.correspondence import Landmarks, cycle_agreement, part_agreement
from eval.distances import Scale, fid, fid_notes, kid_interval, kid_ratio_interval
from eval.features import Extractor, extract
from eval.intervals import Estimate, bootstrap_mean, proportion
from eval.structure import STRUCTURE, structure_features
from fewshot.data.augment import to_float, to_uint8
from fewshot.evaluation.base_record import Row
from fewshot.evaluation.features import features_of
from fewshot.evaluation.record import FEW
from fewshot.evaluation.sources import Gathered

if TYPE_CHECKING:
    from base_models.checkpoint import BaseModel

CHUNK = 8


class Drawn(NamedTuple):
    """Photos and what the base made of them."""

    shown: np.ndarray
    """The photos, uint8 `(M, 3, S, S)` at the compared size."""
    results: np.ndarray
    """netG_A of them, same shape."""
    inputs: np.ndarray
    """The photos at the base's own size s, uint8 `(M, 3, s, s)`."""
    back: np.ndarray
    """netG_B(netG_A(photo)), same shape."""
    ranks: np.ndarray
    """Rank of the own photo of each result among all M photos (M,)."""

    def rows(self, chosen: np.ndarray) -> Drawn:
        """Some of them; the ranks stay those among all."""
        return Drawn(*(part[chosen] for part in self))


def draw_there_and_back(
    model: BaseModel, photos: np.ndarray, device: str = "cpu", size: int | None = None
) -> Drawn:
    """Redraw photos, uint8 `(M, 3, S, S)`, and turn the drawings back into photos.

    A base of another size sees them resized (bicubic, antialiased); photos and results are compared at
    `size`, S when None, and resized to it likewise.
    """
    size = size or photos.shape[2]
    shown, results, inputs, back = [], [], [], []
    netG_A, netG_B = (net.to(device).eval() for net in (model.netG_A, model.netG_B))
    with torch.inference_mode():
        for chunk in torch.from_numpy(np.ascontiguousarray(photos)).split(CHUNK):
            small = _resized(chunk, int(netG_A.size))
            drawing = netG_A(to_float(small.to(device)))
            shown.append(_resized(chunk, size))
            results.append(_resized(to_uint8(drawing).cpu(), size))
            back.append(to_uint8(netG_B(drawing)).cpu())
            inputs.append(small)
    compared, drawings, seen, returned = (
        torch.cat(parts).numpy() for parts in (shown, results, inputs, back)
    )
    found = content_identification(structure_features(compared), structure_features(drawings))
    return Drawn(compared, drawings, seen, returned, found.ranks)


def _resized(pictures: Tensor, size: int) -> Tensor:
    if pictures.shape[2] == size:
        return pictures
    resized = F.interpolate(pictures.float(), (size, size), mode="bicubic", antialias=True)
    return resized.round_().clamp_(0, 255).to(torch.uint8)


class Judge:
    """Measures one set of results after another against the same drawings and clean photos."""

    def __init__(
        self,
        extractor: Extractor,
        drawings: Gathered | np.ndarray,
        photos: Gathered | np.ndarray,
        landmarks: Landmarks | None,
        seed: int,
    ) -> None:
        self.extractor, self.landmarks, self.seed = extractor, landmarks, seed
        self.drawings, self.photos = features_of(extractor, drawings), features_of(extractor, photos)
        self.scale: Scale | None = None
        if not extractor.standardised:
            self.scale = Scale.fit(self.drawings, self.photos)
            self.drawings, self.photos = self.scale.apply(self.drawings), self.scale.apply(self.photos)

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Features (n, D) on the scale of the drawings'."""
        features = extract(self.extractor, pictures)
        return self.scale.apply(features) if self.scale else features

    def rows(self, drawn: Drawn, chosen: np.ndarray | None = None) -> tuple[Row, ...]:
        """All measures but FID; `chosen` are the rows of the clean photos that `drawn` belongs to."""
        photos = self.photos if chosen is None else self.photos[chosen]
        rows = list(self._kid(photos, self.features(drawn.results)))
        of, known, seed = len(self.photos), drawn.ranks, self.seed
        rows.append(Row("content 1st", proportion(known == 1, of, STRUCTURE, (f"chance {1 / of:.2g}",))))
        rank = bootstrap_mean(1 / known, seed=seed)
        rows.append(Row("content 1/rank", Estimate(*rank, of, len(known), STRUCTURE)))
        rows.append(Row.of(cycle_agreement(drawn.inputs, drawn.back, seed=seed)))
        noise = bootstrap_mean(_psnr(drawn.inputs, drawn.back), seed=seed)
        rows.append(Row("cycle PSNR (dB)", Estimate(*noise, len(known), len(known), "pixels")))
        if self.landmarks is not None:
            parts = part_agreement(drawn.shown, drawn.results, self.landmarks, seed=seed)
            rows.append(Row("faces found on photos", parts.found_on_photos))
            rows.append(Row("faces found on results", parts.found_on_drawings))
            rows += [Row.of(agreement) for agreement in parts.agreements]
        return tuple(rows)

    def _kid(self, photos: np.ndarray, results: np.ndarray) -> Iterator[Row]:
        if min(len(self.drawings), len(photos)) < FEW:
            return
        name = self.extractor.name
        for measure, side in (("KID", results), ("KID of the photos", photos)):
            yield Row(measure, kid_interval(self.drawings, side, extractor=name))
        ratio = kid_ratio_interval(self.drawings, photos, results, extractor=name)
        yield Row("KID ratio", ratio)

    def fid(self, drawn: Drawn) -> Row:
        """Without an interval: resampling so biased a number would mislead."""
        n = len(self.drawings), len(drawn.results)
        value = fid(self.drawings, self.features(drawn.results))
        notes = (*fid_notes(*n), "no interval")
        return Row("FID", Estimate(value, math.nan, math.nan, *n, self.extractor.name, notes))


def _psnr(photos: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of each picture (M,), dB; 100 for one that came back exactly."""
    pairs = zip(photos, back, strict=True)
    errors = np.array([np.mean((a.astype(np.float64) - b) ** 2) for a, b in pairs]) / 255**2
    return -10 * np.log10(np.maximum(errors, 1e-10))

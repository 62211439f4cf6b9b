"""The mouth of one face, placed on the page."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fewshot.samples.curves import Curve, Points, join, spline
from fewshot.samples.face import FacePlan

Placer = Callable[[Points, float], Curve]


@dataclass(frozen=True)
class Mouth:
    """Shapes of the mouth, closed or laughing."""

    line: Curve
    """Line between the lips, open."""
    hole: Curve | None
    """Closed opening of a laughing mouth."""
    teeth: Curve | None
    """Closed upper row of teeth; clip to `hole`."""
    upper_lip: Curve
    """Closed upper lip."""
    lower_lip: Curve
    """Closed lower lip."""
    chin_mark: Curve
    """Short line under the lower lip."""


def draw_mouth(plan: FacePlan, head: Placer) -> Mouth:
    """Place the mouth; `head` maps head coordinates and a depth to the page."""
    m, y, s = 0.31 * plan.mouth, 0.77, plan.smile
    corner, middle = y - 0.09 * s, y + 0.035 * s
    line = spline(
        [[-m, corner], [-0.5 * m, y + 0.015 * s], [0, middle], [0.5 * m, y + 0.015 * s], [m, corner]]
    )
    hole = teeth = None
    bottom = middle + 0.02
    if plan.mouth_open > 0:
        bottom = middle + 0.08 + 0.15 * plan.mouth_open
        lower = spline(
            [[m, corner], [0.72 * m, bottom - 0.08], [0, bottom], [-0.72 * m, bottom - 0.08], [-m, corner]]
        )
        hole = join([line, lower])
        teeth = head(join([line, (np.add(line, [0, 0.085]))[::-1]]), 0.05)
    full = 0.035 + 0.05 * plan.lips
    bow = spline(
        [[m * 0.92, corner], [0.09, y - full], [0, y - 0.75 * full], [-0.09, y - full], [-m * 0.92, corner]]
    )
    under = spline(
        [
            [0.8 * m, corner + 0.02],
            [0.4 * m, bottom + 0.9 * full],
            [-0.4 * m, bottom + 0.9 * full],
            [-0.8 * m, corner + 0.02],
        ]
    )
    edge = line
    if hole is not None:
        edge = spline(
            [[-m, corner], [-0.72 * m, bottom - 0.08], [0, bottom], [0.72 * m, bottom - 0.08], [m, corner]]
        )
    mark = spline([[-0.1, bottom + full + 0.07], [0, bottom + full + 0.085], [0.1, bottom + full + 0.07]])
    return Mouth(
        line=head(line, 0.05),
        hole=None if hole is None else head(hole, 0.05),
        teeth=teeth,
        upper_lip=head(join([line, bow]), 0.05),
        lower_lip=head(join([edge, under]), 0.05),
        chin_mark=head(mark, 0.05),
    )

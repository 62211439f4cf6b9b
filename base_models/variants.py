"""The paper's ablation: six architectures derived from one. Loads without torch.

SCAN (arXiv 1807.08536, table 2) claims that stacking helps only with the skip connection and the learned
fusion. The six are what it takes to see that: every part switched off alone and together, the lowest stage
alone, and a network that spends the same parameters in one stage.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from base_models.architectures import PARSER_BLOCKS, PARSER_FOLD, PARTS, PLACES, Architecture, StageSpec

STAGE_1, ONE_STAGE, STACKED = "stage1", "one_stage", "stacked"
NO_SKIP, NO_FUSION, FULL = "no_skip", "no_fusion", "full"

VARIANTS = (STAGE_1, ONE_STAGE, STACKED, NO_SKIP, NO_FUSION, FULL)
"""In the order of the table."""

TOLERANCE = 0.03
"""How far the parameters of `one_stage` may be from those of `full`, relative to these."""

_TRUNK_STEP = 4
_MOST_BLOCKS = 24


def variants(full: Architecture) -> dict[str, Architecture]:
    """The six architectures by name, in the order of `VARIANTS`.

    - `stage1`: the lowest stage alone. It works at its own size; whoever measures it enlarges its result.
    - `one_stage`: a plain CycleGAN generator at the final size, see `one_stage`.
    - `stacked`: every stage sees only the enlarged result of the one below and replaces it.
    - `no_skip`: without the input picture, with fusion. `no_fusion`: with the input picture, without fusion.
    - `full`: as given.

    None has the parser, which is not the paper's and which one stage would be shown at another size.

    Args:
        full: two or more stages, with skip connection and fusion.

    Raises:
        ValueError: another architecture, of which there is nothing to switch off, or none of one stage has as
            many parameters.
    """
    if len(full.stages) < 2 or not (full.skip and full.fusion):
        raise ValueError("an ablation starts from an architecture of several stages with skip and fusion")
    full = replace(full, parser=0)
    return {
        STAGE_1: replace(full, stages=full.stages[:1]),
        ONE_STAGE: one_stage(full),
        STACKED: replace(full, skip=False, fusion=False),
        NO_SKIP: replace(full, skip=False),
        NO_FUSION: replace(full, fusion=False),
        FULL: full,
    }


def one_stage(full: Architecture) -> Architecture:
    """The lowest stage's kind of network at the final size, with as many parameters as `full`.

    Its first convolutions are the lowest stage's. Residual blocks are added first; the width of the trunk
    changes only as far as it must for `TOLERANCE`, since a block more is a step of up to a tenth.

    Raises:
        ValueError: no number of blocks and no width comes near enough.
    """
    lowest, size, wanted = full.stages[0], full.stages[-1].size, parameters(full)
    trunks = range(_TRUNK_STEP, 4 * lowest.trunk + 1, _TRUNK_STEP)
    candidates = [
        replace(full, stages=(replace(lowest, size=size, trunk=trunk, blocks=blocks),))
        for trunk in trunks
        for blocks in range(1, _MOST_BLOCKS + 1)
    ]
    near = [a for a in candidates if abs(parameters(a) - wanted) <= TOLERANCE * wanted]
    if not near:
        raise ValueError(f"no architecture of one stage has nearly {wanted} parameters")
    return min(near, key=lambda a: (abs(a.stages[0].trunk - lowest.trunk), abs(parameters(a) - wanted)))


def parameters(architecture: Architecture) -> int:
    """Parameters of one direction, from the sizes alone; `counts.count_parameters` counts the same."""
    first, *rest = architecture.stages
    parts = PLACES if architecture.parser else 0
    total = _translation(3, first, parts) + (_parser(architecture.parser) if parts else 0)
    for stage in rest:
        total += _translation(6 if architecture.skip else 3, stage, parts)
        total += _fusion(stage) if architecture.fusion else 0
    return total


def _parser(width: int) -> int:
    """`photo_parser.PhotoParser`."""
    plain = StageSpec(size=0, width=0, trunk=0, blocks=0, film=0)
    folded, below = 3 * PARSER_FOLD**2, 2 * width
    ends = _block(plain, folded, width) + _block(plain, width, below) + _block(plain, below, width)
    return ends + 2 * PARSER_BLOCKS * _block(plain, below, below) + _plain(width, len(PARTS))


def _translation(inputs: int, spec: StageSpec, parts: int) -> int:
    """`scan.TranslationStage`."""
    fold = spec.unshuffle**2
    widths = [spec.width * 2**i for i in range(spec.downs)] + [spec.trunk]
    total = _block(spec, inputs * fold, widths[0], spec.kernel)
    total += sum(_block(spec, a, b) + _block(spec, b, a) for a, b in pairwise(widths))
    total += sum(parts * 2 * width for width in widths[:-1])
    total += 2 * spec.blocks * _block(spec, spec.trunk, spec.trunk)
    return total + _plain(widths[0], 3 * fold, spec.kernel)


def _fusion(spec: StageSpec) -> int:
    """`scan.AdaptiveFusion`."""
    fold, width = spec.unshuffle**2, spec.fusion_width
    return _block(spec, 9 * fold, width) + _block(spec, width, width) + _plain(width, fold)


def _block(spec: StageSpec, inputs: int, outputs: int, kernel: int = 3) -> int:
    """A convolution without bias, its affine InstanceNorm, and what modulates it."""
    return inputs * outputs * kernel**2 + 2 * outputs + 3 * spec.film**2 * 2 * outputs


def _plain(inputs: int, outputs: int, kernel: int = 3) -> int:
    """A convolution with bias."""
    return inputs * outputs * kernel**2 + outputs

# mypy: disable-error-code="untyped-decorator,no-untyped-def"
"""The Triton kernels of `fused`. Pictures are channels last: `(picture, position, channel)` in memory."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _tile(positions, channels, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """What one program works on: picture and slice, its channels, and where its values lie in memory."""
    picture, part = tl.program_id(0).to(tl.int64), tl.program_id(2)
    columns = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    known = columns < channels
    rows = part * ROWS + tl.arange(0, ROWS)
    inside = (rows < positions)[:, None] & known[None, :]
    at = (picture * positions + rows)[:, None] * channels + columns[None, :]
    return picture, part, columns, known, at, inside


@triton.jit
def _two(source, row, channels, columns, known):
    """The two numbers of each channel that row `row` of a `(rows, 2, channels)` table holds."""
    place = row * 2 * channels + columns
    first = tl.load(source + place, mask=known, other=0.0)
    return first, tl.load(source + place + channels, mask=known, other=0.0)


@triton.jit
def _keep_two(target, row, channels, columns, known, first, second):
    """The inverse of `_two`."""
    place = row * 2 * channels + columns
    tl.store(target + place, first, mask=known)
    tl.store(target + place + channels, second, mask=known)


@triton.jit
def _values(source, at, inside):
    return tl.load(source + at, mask=inside, other=0.0).to(tl.float32)


@triton.jit
def _each(source, row, columns, known):
    """One parameter of each channel, from where a picture's begin."""
    return tl.load(source + row + columns, mask=known, other=0.0).to(tl.float32)


@triton.jit
def _normal_and_slope(
    x, gradient, weight, bias, row, mean, inverse, columns, known, at, inside, RELU: tl.constexpr
):  # fmt: skip
    """Normalised x, and the gradient before the ReLU."""
    normal = (_values(x, at, inside) - mean[None, :]) * inverse[None, :]
    slope = _values(gradient, at, inside)
    if RELU:
        scale, shift = _each(weight, row, columns, known), _each(bias, row, columns, known)
        slope = tl.where(normal * scale[None, :] + shift[None, :] > 0, slope, 0.0)
    return normal, slope


@triton.jit
def moments(x, out, positions, channels, slices, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """Mean and sum of squared deviations of each channel over one slice of one picture's positions."""
    picture, part, columns, known, at, inside = _tile(positions, channels, ROWS, CHANNELS)
    values = _values(x, at, inside)
    count = tl.minimum(ROWS, positions - part * ROWS).to(tl.float32)
    mean = tl.sum(values, 0) / count
    away = tl.where(inside, values - mean[None, :], 0.0)
    _keep_two(out, picture * slices + part, channels, columns, known, mean, tl.sum(away * away, 0))


@triton.jit
def normalise(
    x, moments, weight, bias, stride, out, kept, positions, channels, slices, eps,
    RELU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Join the slices' moments (Chan et al. 1979) and write (x - mean) / deviation * weight + bias."""
    picture, part, columns, known, at, inside = _tile(positions, channels, ROWS, CHANNELS)
    mean = tl.zeros([CHANNELS], tl.float32)
    squares = tl.zeros([CHANNELS], tl.float32)
    seen = 0.0
    for index in range(slices):
        its_mean, its_squares = _two(moments, picture * slices + index, channels, columns, known)
        count = tl.minimum(ROWS, positions - index * ROWS).to(tl.float32)
        away = its_mean - mean
        total = seen + count
        mean += away * count / total
        squares += its_squares + away * away * seen * count / total
        seen = total
    inverse = tl.rsqrt(squares / positions + eps)
    if part == 0:
        _keep_two(kept, picture, channels, columns, known, mean, inverse)
    scale = _each(weight, picture * stride, columns, known) * inverse
    shift = _each(bias, picture * stride, columns, known) - mean * scale
    result = _values(x, at, inside) * scale[None, :] + shift[None, :]
    if RELU:
        # Not tl.maximum, which would hide what is not a number.
        result = tl.where(result < 0, 0.0, result)
    tl.store(out + at, result, mask=inside)


@triton.jit
def gradient_sums(
    x, gradient, kept, weight, bias, stride, out, positions, channels, slices,
    RELU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Sums of the gradient, and of gradient times normalised x, over one slice of positions."""
    picture, part, columns, known, at, inside = _tile(positions, channels, ROWS, CHANNELS)
    mean, inverse = _two(kept, picture, channels, columns, known)
    normal, slope = _normal_and_slope(
        x, gradient, weight, bias, picture * stride, mean, inverse, columns, known, at, inside, RELU
    )  # fmt: skip
    times = tl.sum(tl.where(inside, slope * normal, 0.0), 0)
    _keep_two(out, picture * slices + part, channels, columns, known, tl.sum(slope, 0), times)


@triton.jit
def input_gradient(
    x, gradient, kept, weight, bias, stride, sums, out, positions, channels, slices,
    RELU: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """weight / deviation * (g - mean(g) - normal * mean(g * normal))."""
    picture, _, columns, known, at, inside = _tile(positions, channels, ROWS, CHANNELS)
    plain = tl.zeros([CHANNELS], tl.float32)
    times = tl.zeros([CHANNELS], tl.float32)
    for index in range(slices):
        its_plain, its_times = _two(sums, picture * slices + index, channels, columns, known)
        plain += its_plain
        times += its_times
    mean, inverse = _two(kept, picture, channels, columns, known)
    normal, slope = _normal_and_slope(
        x, gradient, weight, bias, picture * stride, mean, inverse, columns, known, at, inside, RELU
    )  # fmt: skip
    result = slope - (plain / positions)[None, :] - normal * (times / positions)[None, :]
    tl.store(
        out + at, result * (_each(weight, picture * stride, columns, known) * inverse)[None, :], mask=inside
    )


@triton.jit
def mirror(x, out, total, height, width, channels, PAD: tl.constexpr, BLOCK: tl.constexpr):
    """Every value of the padded picture from its place, mirrored at the borders."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < total
    channel, place = at % channels, at // channels
    column, place = place % (width + 2 * PAD) - PAD, place // (width + 2 * PAD)
    row, picture = place % (height + 2 * PAD) - PAD, place // (height + 2 * PAD)
    row = tl.where(row < 0, -row, tl.where(row >= height, 2 * (height - 1) - row, row))
    column = tl.where(column < 0, -column, tl.where(column >= width, 2 * (width - 1) - column, column))
    values = tl.load(x + ((picture * height + row) * width + column) * channels + channel, mask=inside)
    tl.store(out + at, values, mask=inside)


@triton.jit
def unmirror(gradient, out, total, height, width, channels, PAD: tl.constexpr, BLOCK: tl.constexpr):
    """Every value's gradient: that of its own place and of its mirror images, up to three by three."""
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < total
    channel, place = at % channels, at // channels
    column, place = place % width, place // width
    row, picture = place % height, place // height
    result = tl.zeros([BLOCK], tl.float32)
    for down in tl.static_range(3):
        if down == 0:
            y, has_y = row + PAD, inside
        elif down == 1:
            y, has_y = PAD - row, inside & (row >= 1) & (row <= PAD)
        else:
            y, has_y = 2 * (height - 1) - row + PAD, inside & (row >= height - 1 - PAD) & (row <= height - 2)
        for along in tl.static_range(3):
            if along == 0:
                z, has = column + PAD, has_y
            elif along == 1:
                z, has = PAD - column, has_y & (column >= 1) & (column <= PAD)
            else:
                z, has = (
                    2 * (width - 1) - column + PAD,
                    has_y & (column >= width - 1 - PAD) & (column <= width - 2),
                )
            source = ((picture * (height + 2 * PAD) + y) * (width + 2 * PAD) + z) * channels + channel
            result += tl.load(gradient + source, mask=has, other=0.0).to(tl.float32)
    tl.store(out + at, result, mask=inside)

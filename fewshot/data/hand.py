"""A picture's hand in 42 numbers: tone, colour, contrast per scale, edges and line width. No learned
network.

Used to ask whether the drawings of one folder belong together, before a second is spent on training.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_AREA_SIDE = 192
"""Pictures are brought to this many pixels squared, so that line widths are comparable."""

_FLOOR = 1e-3
"""Added before logarithms: a tenth of one grey level in the [0, 100] range of L."""


def describe(image: Image.Image) -> dict[str, float]:
    """Named statistics of one RGB picture, in a fixed order.

    Lightness and chroma are CIE Lab ([0, 100] and about [0, 130]); contrasts are natural logarithms.
    """
    import cv2

    scale = _AREA_SIDE / (image.width * image.height) ** 0.5
    size = (max(16, round(image.width * scale)), max(16, round(image.height * scale)))
    rgb = np.asarray(image.resize(size, Image.Resampling.LANCZOS), dtype=np.float32) / 255.0
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)
    light = np.ascontiguousarray(lab[..., 0])
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    return _tone(light) | _colour(lab, chroma) | _scales(light, lab) | _edges(light) | _lines(light)


def _log(value: float) -> float:
    return float(np.log(float(value) + _FLOOR))


def _tone(light: NDArray[np.float32]) -> dict[str, float]:
    low, middle, high = np.percentile(light, [5, 50, 95])
    return {
        "tone: shadows": float(low),
        "tone: middle": float(middle),
        "tone: lights": float(high),
        "tone: black share": float(np.mean(light < 12)),
        "tone: dark share": float(np.mean(light < 35)),
        "tone: mid share": float(np.mean((light > 35) & (light < 70))),
        "tone: white share": float(np.mean(light > 97)),
    }


def _colour(lab: NDArray[np.float32], chroma: NDArray[np.float32]) -> dict[str, float]:
    mean, median, high = float(chroma.mean()), float(np.median(chroma)), float(np.percentile(chroma, 95))
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    weights = chroma / (chroma.sum() + 1.0)
    bins = (np.floor((hue + np.pi) / (2 * np.pi) * 8).astype(int)) % 8
    shares = np.bincount(bins.ravel(), weights.ravel(), 8)
    quantised = (lab / 12).round().astype(np.int64)
    codes = (quantised[..., 0] * 64 + quantised[..., 1] + 32) * 64 + quantised[..., 2] + 32
    counts = np.unique(codes, return_counts=True)[1] / codes.size
    return {
        "colour: mean saturation": mean,
        "colour: median saturation": median,
        "colour: high saturation": high,
        "colour: grey share": float(np.mean(chroma < 5)),
        "colour: warm or cold": float((weights * np.cos(hue - 1.0)).sum()),
        "colour: hue spread": float(-(shares * np.log(shares + 1e-6)).sum()),
        "colour: number of colours": float(-(counts * np.log(counts)).sum()),
    }


def _scales(light: NDArray[np.float32], lab: NDArray[np.float32]) -> dict[str, float]:
    import cv2

    values: dict[str, float] = {}
    previous, before = light, lab[..., 1:]
    for name, sigma in (("finest", 0.8), ("fine", 1.6), ("middle", 3.2), ("coarse", 6.4)):
        blurred, after = cv2.GaussianBlur(light, (0, 0), sigma), cv2.GaussianBlur(lab[..., 1:], (0, 0), sigma)
        band = previous - blurred
        spread, mean = float(band.std()), float(np.abs(band).mean())
        values[f"contrast: {name}"] = _log(spread)
        values[f"texture: {name} evenness"] = _log(mean / (spread + _FLOOR))
        values[f"texture: {name} median"] = _log(float(np.median(np.abs(band))))
        values[f"colour contrast: {name}"] = _log(float((before - after).std()))
        previous, before = blurred, after
    return values


def _edges(light: NDArray[np.float32]) -> dict[str, float]:
    import cv2

    dx, dy = cv2.Sobel(light, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(light, cv2.CV_32F, 0, 1) / 8
    strength = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx) % np.pi
    bins = np.minimum((angle / np.pi * 8).astype(int), 7)
    shares = np.bincount(bins.ravel(), strength.ravel(), 8) / (strength.sum() + _FLOOR)
    strong = strength > 8
    return {
        "edges: flat share": float(np.mean(strength < 0.3)),
        "edges: soft share": float(np.mean((strength >= 0.3) & (strength < 3))),
        "edges: strong share": _log(float(strong.mean())),
        "edges: sharpness": _log(float(np.percentile(strength, 99))),
        "edges: direction spread": float(-(shares * np.log(shares + 1e-6)).sum()),
    }


def _lines(light: NDArray[np.float32]) -> dict[str, float]:
    import cv2

    values: dict[str, float] = {}
    dark: list[float] = []
    for width in (3, 5, 9):
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
        dark.append(float(cv2.morphologyEx(light, cv2.MORPH_BLACKHAT, kernel).mean()))
        pale = float(cv2.morphologyEx(light, cv2.MORPH_TOPHAT, kernel).mean())
        values[f"lines: dark up to {width} px"] = _log(dark[-1])
        values[f"lines: dark against pale, {width} px"] = _log(dark[-1]) - _log(pale)
    values["lines: thin share"] = dark[0] / (dark[2] + _FLOOR)
    return values

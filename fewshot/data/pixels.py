"""Pixel formats to upright 8-bit sRGB: modes, bit depths, colour profiles, transparency and rotation tags."""

import io
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""EXIF orientation (TIFF 6.0, tag 274) to the operation that undoes it."""


def to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Convert a loaded picture to upright sRGB; returns it with the changes made, in words."""
    changes = []
    # Read before converting: the converted copy has lost the tag.
    orientation = _orientation(image)
    image, space = _to_srgb(image)
    if space:
        changes.append(f"colours of {space} to sRGB")
    if image.mode.startswith(("I", "F")):
        changes.append("16-bit grey to RGB" if image.mode.startswith("I") else "float grey to RGB")
        rgb = _deep_grey_to_rgb(image)
    elif image.has_transparency_data or image.mode == "RGBX":
        changes.append("transparency laid on white")
        rgb = _on_white(image)
    elif image.mode == "LAB":
        changes.append("CIE Lab to RGB")
        rgb = _lab_to_rgb(image)
    elif image.mode != "RGB":
        changes.append(f"{_MODE_NAMES.get(image.mode, image.mode)} to RGB")
        rgb = image.convert("RGB")
    else:
        rgb = image.copy()
    if orientation in _UPRIGHT:
        changes.append("turned upright")
        rgb = rgb.transpose(_UPRIGHT[orientation])
    # Only the pixels count from here on: profiles, comments and rotation tags must not travel into saved
    # files.
    rgb.info.clear()
    return rgb, changes


_MODE_NAMES = {"L": "grey", "1": "black and white", "P": "palette"}
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour spaces of profiles that are understood, with Pillow's modes for them."""
_RAMP = (51 * np.stack(np.unravel_index(np.arange(216), (6, 6, 6)), -1)).reshape(6, 36, 3).astype(np.uint8)
"""216 colours, as a picture."""
_SAME = 3
"""Grey levels that sRGB's own profiles differ by."""
_LONGEST = 40
"""Letters of a profile's name that are told."""


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    # A damaged tag block says nothing about the pixels, which are fine.
    except Exception:
        return 1


def _to_srgb(image: Image.Image) -> tuple[Image.Image, str]:
    """The picture in sRGB and the name of its colour space, where its file names another one.

    What phones call Display P3 and scanners Adobe RGB looks pale when it is taken for sRGB. A profile that is
    damaged, or of another mode, says nothing.
    """
    stored = image.info.get("icc_profile")
    if not stored:
        return image, ""
    plain: Image.Image = image
    if image.has_transparency_data:
        plain = image.convert("RGBA")
    elif image.mode in ("P", "RGBX"):
        plain = image.convert("RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(stored))
        name = ImageCms.getProfileDescription(profile).strip()
        opaque = plain.convert("RGB") if plain.mode == "RGBA" else plain
        if opaque.mode != _SPACES.get(profile.profile.xcolor_space.strip()):
            return image, ""
        # By what it does and not by its name: there are linear profiles called sRGB too.
        ramp = Image.fromarray(_RAMP)
        if opaque.mode == "RGB" and np.abs(np.asarray(_through(profile, ramp), int) - _RAMP).max() <= _SAME:
            return image, ""
        converted = _through(profile, opaque)
    # Little CMS tells of a damaged profile in many ways.
    except Exception:
        return image, ""
    if plain.mode == "RGBA":
        converted.putalpha(plain.getchannel("A"))
    return converted, name[:_LONGEST] or "its profile"


def _through(profile: ImageCms.ImageCmsProfile, image: Image.Image) -> Any:
    return ImageCms.profileToProfile(
        image,
        profile,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _on_white(image: Image.Image) -> Image.Image:
    rgba = image.convert("RGBA")
    canvas = Image.new("RGB", rgba.size, (255, 255, 255))
    canvas.paste(rgba, mask=rgba.getchannel("A"))
    return canvas


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    # Pillow's own convert() knows no Lab; its colour management does, with D50 as TIFF 6.0 has it.
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise ValueError("no conversion from CIE Lab")
    return converted


def _deep_grey_to_rgb(image: Image.Image) -> Image.Image:
    values = np.nan_to_num(np.asarray(image).astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode.startswith("I;16"):
        values /= 257.0
    # 32-bit and float files do not state their range: take the smallest usual one that holds the values.
    elif low >= 0.0 and high <= 1.0 and image.mode == "F":
        values *= 255.0
    elif low >= 0.0 and 255.0 < high <= 65535.0:
        values /= 257.0
    elif low < 0.0 or high > 65535.0:
        values = (values - low) * (255.0 / max(high - low, 1e-12))
    grey = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return Image.fromarray(grey, mode="L").convert("RGB")

"""What a booth is told when it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """Everything that may differ from booth to booth."""

    styles: tuple[str, ...] = ()
    """Styles on offer, as for `--style`; all that may be used when empty."""
    base: str = "scan_128.anime"
    """What draws where no style is chosen."""
    pin: str = ""
    """What a visitor has to type; nothing when empty."""
    keep: Path | None = None
    """Where pictures of visitors who tick the box are kept; nowhere when None."""
    detector: Path | None = None
    """YuNet's file; else as `open_detector` finds it."""
    device: str = "auto"
    """What computes."""
    secure: bool = False
    """Whether it is served over https, so that cookies may be bound to it."""
    most_bytes: int = 20_000_000
    """Of a request's body; phones' photos have 3 to 12 MB."""
    most_held: int = 200_000_000
    """Bytes of all uploads that are coming in."""
    most_pixels: int = 50_000_000
    """Of a photo, told by its header before it is decoded."""
    most_waiting: int = 8
    """Requests that are being answered or wait; one more is told to come back."""
    sessions: int = 6
    """Styles and blends whose merged model is kept ready."""
    idle: float = 10.0
    """Seconds without a byte of an upload after which it is given up."""
    deadline: float = 45.0
    """Seconds that an upload may take in all."""

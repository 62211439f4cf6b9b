"""Work on many pictures at once: Pillow and OpenCV let other threads run while they decode and change one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import cv2

from fewshot.sizes import usable_cores

_T = TypeVar("_T")
_R = TypeVar("_R")

_CHUNK = 256
"""Pictures whose encoded bytes are in memory at a time."""


def in_parallel(work: Callable[[_T], _R], items: Iterator[_T]) -> Iterator[_R]:
    """Results in the order of the items, a few hundred items in memory at a time.

    One picture is too little work for OpenCV's own threads: pictures are shared out instead.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(usable_cores()) as pool:
            while chunk := list(islice(items, _CHUNK)):
                yield from pool.map(work, chunk)
    finally:
        cv2.setNumThreads(threads)

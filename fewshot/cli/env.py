"""`fewshot env`: versions, devices, paths and known clashes of this machine."""

import importlib
import os
import platform
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from fewshot.output import TableFormat, emit, warn
from fewshot.sizes import usable_cores

DISTRIBUTION = "fewshot-style"


def env(format: Annotated[TableFormat, typer.Option(help="How to print: table or json.")] = "table") -> None:
    """Show versions, devices, paths and clashes; paste it into a report."""
    rows = [
        {"what": what, "value": value} for what, value in (*versions(), *devices(), *training(), *paths())
    ]
    found = list(clashes())
    rows += [{"what": "clash", "value": text} for text in found] or [
        {"what": "clashes", "value": "none known"}
    ]
    emit(rows, ["what", "value"], format)
    for text in found:
        warn(text)


def versions() -> Iterator[tuple[str, str]]:
    """Yield Python, the system, and each package the toolkit needs with its installed version."""
    yield "python", platform.python_version()
    yield "system", f"{platform.system()} {platform.machine()}"
    for name in (DISTRIBUTION, *_requirements(DISTRIBUTION), "torchvision"):
        yield name, installed(name) or "not installed"


def installed(name: str) -> str | None:
    """Return the installed version of a distribution, None when it is absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _requirements(distribution: str) -> dict[str, str]:
    """Return what `distribution` requires outside its extras, name to version range."""
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return {}
    plain = (re.match(r"([\w.-]+)\s*([^;\[]*)", line) for line in lines if "extra ==" not in line)
    return {match.group(1): match.group(2).strip() for match in plain if match}


def devices() -> Iterator[tuple[str, str]]:
    """Yield what torch can compute on; imports torch."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield "torch", f"does not import: {error}"
        return
    yield "cpu", f"{usable_cores()} cores usable, {torch.get_num_threads()} torch threads"
    yield "cpu instructions", torch.backends.cpu.get_cpu_capability()
    yield "bf16 on cpu", _cpu_bf16()
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        bf16 = "bf16" if torch.cuda.is_bf16_supported() else "no bf16"
        yield f"cuda:{index}", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, {bf16}"
    if not torch.cuda.is_available():
        yield "cuda", "none"
    if torch.backends.mps.is_available():
        yield "mps", "available"


def training() -> Iterator[tuple[str, str]]:
    """Yield what `adapt` and `base train` would use."""
    try:
        import torch

        from fewshot.sizes import format_bytes
        from fewshot.training.memory import free_of_machine
        from fewshot.training.precision import best_precision
        from fewshot.training.workers import fitting_workers
    except (ImportError, OSError):
        return
    gpus = torch.cuda.device_count()
    place = f"{gpus} GPU(s), one for each of --processes" if gpus else "the CPU, --processes 1"
    yield "training on", f"{place}; precision {best_precision()}"
    yield "free memory", format_bytes(free_of_machine())
    yield "adapt-many", f"{fitting_workers()} at a time"


def _cpu_bf16() -> str:
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return "unknown"
    flags = set(info.read_text(errors="replace").split())
    fast = sorted(flags & {"avx512_bf16", "amx_bf16", "bf16", "avx_ne_convert"})
    return ", ".join(fast) or "emulated, slower than fp32"


def paths() -> Iterator[tuple[str, str]]:
    """Yield the folders the toolkit reads and writes."""
    from fewshot.home import home

    source = "FEWSHOT_HOME" if os.environ.get("FEWSHOT_HOME", "").strip() else "default"
    yield "home", f"{home()} ({source})"
    yield "package", str(Path(__file__).parents[1])
    yield "python prefix", sys.prefix


def clashes() -> Iterator[str]:
    """Yield one sentence with a remedy for each combination that is known not to work."""
    yield from _torchvision_clash()
    yield from _opencv_clash()
    yield from _home_clash()


def _home_clash() -> Iterator[str]:
    from fewshot.home import home

    folder = next(parent for parent in (home(), *home().parents) if parent.exists())
    try:
        # os.access tells root that everything is writable, read-only disks included; a file tells the truth.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        yield f"{folder} is not writable ({error.strerror}): set FEWSHOT_HOME to a folder that is"


def _torchvision_clash() -> Iterator[str]:
    torch, vision = installed("torch"), installed("torchvision")
    if torch is None or vision is None:
        return
    wanted = _requirements("torchvision").get("torch", "").strip("()= ")
    remedy = "pip install --force-reinstall torch torchvision, both from the same index"
    if re.fullmatch(r"[\d.]+", wanted) and torch.split("+")[0] != wanted:
        yield f"torchvision {vision} was built for torch {wanted}, found {torch}: {remedy}"
    elif error := _import_error("torchvision"):
        yield f"torchvision {vision} does not import with torch {torch} ({error}): {remedy}"


def _opencv_clash() -> Iterator[str]:
    builds = [name for name in ("opencv-python", "opencv-contrib-python") if installed(name)]
    headless = installed("opencv-python-headless")
    if builds and headless:
        remedy = f"pip uninstall {builds[0]}, then reinstall opencv-python-headless"
        yield f"{builds[0]} and opencv-python-headless overwrite each other: {remedy}"
    if error := _import_error("cv2"):
        yield f"OpenCV does not import ({error}): pip install 'opencv-python-headless>=4.10,<5'"
    elif not hasattr(importlib.import_module("cv2"), "CascadeClassifier"):
        yield "OpenCV 5 has no face cascades: pip install 'opencv-python-headless>=4.10,<5'"


def _import_error(module: str) -> str:
    """Return why `module` does not import, empty when it does."""
    try:
        importlib.import_module(module)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return str(error).split("\n")[0]
    return ""

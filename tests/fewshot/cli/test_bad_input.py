"""Bad input through the command line: the exit code, one message that names the file, nothing half-written.

Every case runs for every verb of `VERBS`; a verb that reads pictures belongs into that table.
"""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner, Result

from fewshot.cli.main import app
from fewshot.data.pictures import open_picture

Arguments = Callable[[Path, Path], list[str | Path]]


@dataclass(frozen=True)
class Verb:
    """A verb that reads a folder of pictures."""

    name: str
    """As typed."""
    read: Arguments
    """Arguments from the input folder and a free place for output; cheap."""
    write: Arguments
    """The same, for a call that writes to that place."""
    mixed: int
    """Exit code when some of the pictures cannot be used and the others can."""
    under_file: int
    """Exit code when the output's path leads through a file."""
    home: bool = False
    """Whether the place is `FEWSHOT_HOME` rather than an argument."""


SHORT = ("steps=2", "warmup_steps=0", "eval_every=1", "batch=2")
"""Recipe values of the shortest adaptation there is."""

VERBS = [
    Verb(
        "check",
        read=lambda folder, out: ["check", folder],
        write=lambda folder, out: ["check", folder, "--fix", out],
        mixed=3,
        under_file=3,
    ),
    Verb(
        "adapt",
        read=lambda folder, out: ["adapt", folder, "--name", "bad", "--dry-run", "--base", "scan_tiny"],
        write=lambda folder, out: ["adapt", folder, "--name", "bad", "--base", "scan_tiny", *SHORT],
        mixed=0,
        under_file=3,
        home=True,
    ),
    Verb(
        "stylize",
        read=lambda folder, out: ["stylize", folder, "-o", out, "--base", "scan_tiny"],
        write=lambda folder, out: ["stylize", folder, "-o", out, "--base", "scan_tiny"],
        mixed=3,
        under_file=2,
    ),
]

REGISTERED = {command.name for command in app.registered_commands}

every_verb = pytest.mark.parametrize(
    "verb", [verb for verb in VERBS if verb.name in REGISTERED], ids=lambda v: v.name
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    """Exit code."""
    text: str
    """All it printed, on stdout and on stderr."""
    errors: tuple[str, ...]
    """Lines that start with `error:`."""


def run(arguments: list[str | Path], **environment: str) -> Ended:
    """Run the verb in this process, on a terminal wide enough that no name is folded."""
    result: Result = CliRunner().invoke(
        app, [str(a) for a in arguments], env={"COLUMNS": "400", **environment}
    )
    text = result.stdout + result.stderr
    assert "Traceback" not in text
    return Ended(
        result.exit_code, text, tuple(line for line in text.splitlines() if line.startswith("error:"))
    )


def write(verb: Verb, folder: Path, out: Path) -> Ended:
    return run(verb.write(folder, out), **({"FEWSHOT_HOME": str(out)} if verb.home else {}))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory, makers: ModuleType) -> Path:
    """Six drawings that nothing is wrong with."""
    folder: Path = makers.fill_drawings(tmp_path_factory.mktemp("good"), 6, "paint")
    return folder


@every_verb
def test_a_missing_folder(verb: Verb, tmp_path: Path) -> None:
    ended = run(verb.read(tmp_path / "nowhere", tmp_path / "out"))
    assert (ended.code, len(ended.errors)) == (4, 1)
    assert "nowhere" in ended.errors[0]
    assert list(tmp_path.iterdir()) == []


@every_verb
def test_an_empty_folder(verb: Verb, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    ended = run(verb.read(tmp_path / "bare", tmp_path / "out"))
    assert (ended.code, len(ended.errors)) == (3, 1)
    assert "bare: no picture in it" in ended.errors[0]
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]


@every_verb
def test_bad_files_are_named_and_the_others_count(verb: Verb, tmp_path: Path, makers: ModuleType) -> None:
    folder = makers.fill(makers.fill_drawings(tmp_path / "in", 6, "paint"), makers.BAD)
    ended = run(verb.read(folder, tmp_path / "out"))
    assert ended.code == verb.mixed, ended.text
    assert ended.errors == ()
    for name in makers.BAD:
        assert any(name in line for line in ended.text.splitlines()), name
    if (tmp_path / "out").is_dir():
        assert len(list((tmp_path / "out").iterdir())) == 6


@every_verb
def test_nothing_but_bad_files(verb: Verb, tmp_path: Path, makers: ModuleType) -> None:
    folder = makers.fill(tmp_path / "in", makers.BAD)
    ended = run(verb.read(folder, tmp_path / "out"))
    assert ended.code == 3, ended.text
    assert all(name in ended.text for name in makers.BAD)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@every_verb
def test_one_bad_file_gives_one_reason(verb: Verb, tmp_path: Path, makers: ModuleType) -> None:
    reasons = {"text.png": "a text file", "cut.jpg": "cut off", "one.png": "1x1", "huge.png": "too large"}
    for name, reason in reasons.items():
        folder = makers.fill(tmp_path / name, {name: makers.BAD[name]})
        ended = run(verb.read(folder, tmp_path / "out"))
        assert ended.code == 3, ended.text
        lines = [line for line in ended.text.splitlines() if reason in line]
        assert len(lines) == 1, ended.text
        assert name in lines[0]


@every_verb
def test_odd_files_are_used(verb: Verb, tmp_path: Path, makers: ModuleType) -> None:
    folder = makers.fill(tmp_path / "Ölbilder 絵 (neu)", makers.ODD)
    ended = run(verb.read(folder, tmp_path / "out"))
    assert (ended.code, ended.errors) == (0, ()), ended.text
    if verb.name == "check":
        assert f"{len(makers.ODD)} of {len(makers.ODD)} pictures can be used" in ended.text
    if (tmp_path / "out").is_dir():
        assert len(list((tmp_path / "out").iterdir())) == len(makers.ODD)


@every_verb
def test_an_output_below_a_file(verb: Verb, tmp_path: Path, good: Path) -> None:
    (tmp_path / "file").write_text("mine")
    ended = write(verb, good, tmp_path / "file" / "out")
    assert (ended.code, len(ended.errors)) == (verb.under_file, 1), ended.text
    assert str(tmp_path / "file") in ended.errors[0]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "mine")]


Mount = Callable[[str], Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a small file system of its own; skips where this user may not."""
    places: list[Path] = []

    def mounted(options: str) -> Path:
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            reason = getattr(error, "stderr", "") or str(error)
            pytest.skip(f"mounting a disk for this test is not allowed here: {reason.strip()}")
        places.append(place)
        return place

    yield mounted
    for place in places:
        subprocess.run(["umount", str(place)], check=True)


def fill_up(disk: Path, leave: int) -> None:
    """Write one file until `leave` bytes or fewer are free."""
    free = 1
    with (disk / "filler").open("wb", buffering=0) as handle:
        while free:
            space = subprocess.run(
                ["stat", "-f", "-c", "%a %S", disk], check=True, capture_output=True, text=True
            )
            blocks, size = map(int, space.stdout.split())
            free = max(blocks * size - leave, 0)
            handle.write(b"\0" * free)


@every_verb
def test_a_read_only_output(verb: Verb, mount: Mount, good: Path) -> None:
    disk = mount("ro,size=64k")
    ended = write(verb, good, disk / "out")
    assert (ended.code, len(ended.errors)) == (3, 1), ended.text
    assert str(disk) in ended.errors[0]
    assert "read-only" in ended.errors[0]


@every_verb
@pytest.mark.parametrize("leave", [0, 16_384], ids=["nothing", "a little"])
def test_a_full_disk(verb: Verb, mount: Mount, good: Path, leave: int) -> None:
    disk = mount("size=256k")
    fill_up(disk, leave)
    ended = write(verb, good, disk / "out")
    assert (ended.code, len(ended.errors)) == (3, 1), ended.text
    assert str(disk) in ended.errors[0]
    assert "full" in ended.errors[0] or "no space" in ended.errors[0]
    if verb.home:
        assert not [path for path in disk.rglob("*") if path.name in ("adapter", "adapter.json")]
        return
    for path in disk.rglob("*"):
        # What was finished before the disk was full may stay, if it is whole.
        assert path.is_dir() or path.name == "filler" or open_picture(path), path


def test_the_command_itself(
    cli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, makers: ModuleType
) -> None:
    makers.fill(makers.fill_drawings(tmp_path / "in", 6), makers.BAD)
    ended = cli("check", "in", "--fix", "out", COLUMNS="400")
    assert ended.returncode == 0, ended.stderr
    assert all(name in ended.stdout for name in makers.BAD)
    assert "Traceback" not in ended.stderr
    assert len(list((tmp_path / "out").iterdir())) == 6
    missing = cli("check", "nowhere")
    assert (missing.returncode, missing.stdout) == (4, "")
    assert missing.stderr.splitlines()[0].startswith("error: nowhere: no such folder")

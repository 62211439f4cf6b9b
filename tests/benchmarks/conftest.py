"""Prints what benchmarks note beside the times (memory, pictures per second) above their tables."""

from collections.abc import Iterator
from typing import Any

import pytest

NOTES = pytest.StashKey[list[tuple[str, dict[str, Any]]]]()


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, benchmark: Any) -> Iterator[None]:
    """Keep the test's `benchmark.extra_info` for the summary."""
    yield
    if benchmark.extra_info:
        notes = request.config.stash.setdefault(NOTES, [])
        notes.append((request.node.name, dict(benchmark.extra_info)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line per benchmark that noted something."""
    for name, info in config.stash.get(NOTES, []):
        words = ", ".join(
            f"{key} {value if isinstance(value, str) else f'{value:,}'}" for key, value in info.items()
        )
        terminalreporter.write_line(f"{name}: {words}")

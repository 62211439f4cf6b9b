"""Requests made up from the API's own description: none of them makes it fail."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

NONE = list(HealthCheck)

load_all_checks()
CHECKED = [
    CHECKS.get_one(name)
    for name in ("not_a_server_error", "status_code_conformance", "content_type_conformance")
]


@pytest.fixture(scope="module")
def booth(run_booth: Callable[..., Any]) -> Iterator[Any]:
    with run_booth("--base", "scan_tiny", "--host", "127.0.0.1") as opened:
        yield opened


def test_the_description_is_valid(booth: Any) -> None:
    validate(httpx.get(f"{booth.url}/api/v1/openapi.json").json())


@pytest.mark.soak(sample=25)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_makes_it_fail(booth: Any, soak: Any, mode: GenerationMode) -> None:
    """Every operation, with requests that fit its description and with ones that do not."""
    schema = schemathesis.openapi.from_url(f"{booth.url}/api/v1/openapi.json")
    operations: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    assert len(operations) >= 9
    for operation in operations:

        @seed(soak.seed)
        @settings(
            max_examples=soak.count, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: Any) -> None:
            case.validate_response(case.call(), checks=CHECKED)

        with contextlib.suppress(Unsatisfiable):
            # A request without parameters cannot be wrong.
            ask()

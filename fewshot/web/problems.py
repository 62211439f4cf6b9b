"""Every failure of the API as a problem document (RFC 9457): what was found, and a hint what to do."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fewshot.errors import (
    BadInputError,
    ConsentError,
    FewshotError,
    NotFoundError,
    UnavailableError,
    UnreachableError,
    UsageError,
)
from fewshot.output import notice, warn

MEDIA_TYPE = "application/problem+json"

_MACHINE = (UnavailableError, UnreachableError)
_STATUS: tuple[tuple[type[FewshotError], int], ...] = (
    (UsageError, 422),
    (BadInputError, 422),
    (NotFoundError, 404),
    (ConsentError, 403),
)
"""What a visitor can cause, and may be told in full; the rest names files of this machine."""


class Problem(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        detail: what was found and what was expected.
        hint: what to do.
        headers: such as Retry-After.
    """

    def __init__(
        self, status: int, detail: str, hint: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.hint = status, detail, hint
        self.headers = dict(headers or {})


def busy(seconds: float, status: int = 503, detail: str = "too many pictures are waiting") -> Problem:
    """Come back later."""
    wait = max(1, round(seconds))
    return Problem(status, detail, f"try again in {wait} s", {"Retry-After": str(wait)})


def from_error(error: FewshotError) -> Problem:
    """A problem that says what an error of the toolkit says, where that is for visitors."""
    if isinstance(error, _MACHINE):
        warn(f"{error} ({error.hint})")
        return Problem(503, "this booth cannot draw at the moment", "try again later")
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 0)
    if status == 403:
        # The hint names commands of whoever runs the booth.
        return Problem(status, str(error), "choose another style")
    if status:
        return Problem(status, str(error), error.hint)
    warn(str(error))
    if error.hint:
        notice(f"hint: {error.hint}")
    return Problem(500, "something is wrong with what was asked for", "tell whoever runs this booth")


def response(problem: Problem) -> JSONResponse:
    """The document."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.hint:
        body["hint"] = problem.hint
    return JSONResponse(body, problem.status, problem.headers, media_type=MEDIA_TYPE)


def install(app: FastAPI, page: Callable[[Request, Problem], Response]) -> None:
    """Answer every exception of an application: with a problem document, or for people with a page."""

    def answer(request: Request, problem: Problem) -> Response:
        return response(problem) if request.url.path.startswith("/api/") else page(request, problem)

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> Response:
        return answer(request, error)

    @app.exception_handler(FewshotError)
    async def _ours(request: Request, error: FewshotError) -> Response:
        return answer(request, from_error(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        found = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
        return answer(request, Problem(422, found, "see /api/v1/openapi.json"))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        return answer(request, Problem(error.status_code, str(error.detail), headers=error.headers))

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        # What went wrong inside is for the log of whoever runs the booth, not for visitors.
        notice("".join(traceback.format_exception(error)).rstrip())
        return answer(request, Problem(500, "something went wrong here", "tell whoever runs this booth"))


PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "hint": {"type": "string"},
    },
}


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: which problems a route answers with."""
    content = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}

"""The application: everything put together, and started and stopped in order."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from fewshot import __version__
from fewshot.web import api, pages, problems
from fewshot.web.booth import Booth
from fewshot.web.guard import Door, Guard

if TYPE_CHECKING:
    from fewshot.web.settings import Settings

DESCRIPTION = """Redraws photos in the styles of artists who agreed to it. Photos are kept in memory, for as
long as their answer takes. Failures are problem documents (RFC 9457); 503 says in Retry-After when to come
back."""


def create_app(settings: Settings) -> FastAPI:
    """The booth as an ASGI application.

    Raises:
        FewshotError: a style, the base or the detector is not there, or the test drawing fails.
    """
    booth, door = Booth(settings), Door(settings.pin)
    booth.pool.mean = booth.pool.check()
    app = FastAPI(
        title="fewshot booth",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.booth, app.state.door = booth, door
    problems.install(app, pages.problem_page)
    app.include_router(api.router)
    app.include_router(pages.router)
    with as_file(files("fewshot.web") / "static") as folder:
        app.mount("/static", StaticFiles(directory=folder), name="static")
    app.middleware("http")(_measured)
    app.add_middleware(Guard, door=door, secure=settings.secure)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    booth: Booth = app.state.booth
    booth.pool.start()
    yield
    await booth.close()


async def _measured(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count answers and their time, by route and not by path, which visitors choose."""
    start = time.perf_counter()
    response = await answer(request)
    route = getattr(request.scope.get("route"), "path", "other")
    metrics = request.app.state.booth.metrics
    metrics.requests.labels(route, str(response.status_code)).inc()
    metrics.seconds.labels(route).observe(time.perf_counter() - start)
    return response

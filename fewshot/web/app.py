"""The application: everything put together, and started and stopped in order."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from fewshot import __version__
from fewshot.web import api, pages, problems
from fewshot.web.booth import Booth
from fewshot.web.guard import Door, Guard
from fewshot.web.metrics import Measured

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from fewshot.web.settings import Settings

DESCRIPTION = """Redraws photos in the styles of artists who agreed to it. Photos are kept in memory, for as
long as their answer takes. Failures are problem documents (RFC 9457); 503 says in Retry-After when to come
back."""


def create_app(settings: Settings) -> ASGIApp:
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
    # Around everything, also what answers for exceptions.
    return Guard(Measured(app, booth.metrics), door, secure=settings.secure)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    booth: Booth = app.state.booth
    booth.pool.start()
    yield
    await booth.close()

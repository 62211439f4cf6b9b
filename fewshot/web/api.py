"""`/api/v1`: what the page uses, and programs may use too."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response, WebSocket
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from fewshot.catalog.listing import show
from fewshot.inference.print_layout import PAPERS, Paper
from fewshot.web import live
from fewshot.web.booth import Booth
from fewshot.web.forms import MEDIA, described, one_of, pictures, wish_of
from fewshot.web.guard import COOKIE, client_of
from fewshot.web.offers import Offer
from fewshot.web.problems import Problem, busy, documented
from fewshot.web.uploads import read_form

_PIN_BYTES = 4096
"""Of the form with the PIN, which anybody may send."""

T = TypeVar("T")

router = APIRouter(prefix="/api/v1")


class Style(BaseModel):
    """A style on offer."""

    ref: str
    kind: str
    artist: str
    licence: str
    consent: str
    tags: list[str]
    base: str
    preview: str


class StylePage(BaseModel):
    """A part of the styles on offer."""

    styles: list[Style]
    total: int


class Health(BaseModel):
    """Whether the booth works."""

    status: str
    waiting: int
    most_waiting: int
    seconds_a_drawing: float


def booth_of(request: Request | WebSocket) -> Booth:
    """The booth that answers."""
    return cast(Booth, request.app.state.booth)


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is given up when whoever asked goes away: a page does at every change."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(400, "whoever asked has gone")
        return task.result()
    finally:
        for one in (task, gone):
            one.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def shown(offer: Offer) -> Style:
    """An offer as the API tells it."""
    return Style(
        ref=offer.ref,
        kind=offer.kind,
        artist=offer.artist,
        licence=offer.licence,
        consent=offer.consent,
        tags=list(offer.tags),
        base=offer.base,
        preview=f"/api/v1/styles/{quote(offer.ref, safe='@')}/preview",
    )


@router.get("/styles", responses=documented(401, 422))
def styles(
    request: Request,
    q: Annotated[str, Query(max_length=200, description="Words that have to be in it")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> StylePage:
    """The styles on offer now."""
    found, total = booth_of(request).shelf.offers(q.split(), limit=limit, offset=offset)
    return StylePage(styles=[shown(offer) for offer in found], total=total)


@router.get("/styles/{ref}", responses=documented(401, 403, 404, 422))
def style(request: Request, ref: str) -> dict[str, Any]:
    """Everything that is known of a style, without anything that tells where it lies."""
    return card(booth_of(request), ref)


def card(booth: Booth, ref: str) -> dict[str, Any]:
    """What a style's page shows."""
    found = booth.shelf.find(ref)
    told: dict[str, Any] = shown(found.offer).model_dump() | {"sha256": found.identity}
    if found.adapter is not None:
        record = found.adapter.record
        told |= {
            key: record[key] for key in ("recipe", "steps", "seed", "metrics", "versions") if key in record
        }
        told["drawings"] = len(record.get("references") or [])
        told["base_sha256"] = found.adapter.base_sha256
    if found.offer.kind == "catalogue" and booth.shelf.catalog is not None:
        known = show(booth.shelf.catalog, ref)
        keys = ("version", "versions", "aliases", "notes", "tags", "created", "metrics", "size")
        told |= {key: known[key] for key in keys}
    return told


@router.get("/styles/{ref}/preview", responses=pictures("image/webp") | documented(401, 403, 404, 422, 503))
async def preview(request: Request, ref: str) -> Response:
    """A sample portrait in the style."""
    data, identity = await booth_of(request).preview(ref)
    tag = f'"{identity}"'
    # Asked again each time, because a style may be withdrawn, but sent once.
    headers = {"etag": tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="image/webp", headers=headers)


@router.post(
    "/stylize",
    response_class=Response,
    openapi_extra=described(photo="JPEG, PNG or WebP"),
    responses=pictures(*MEDIA.values()) | documented(400, 401, 403, 404, 408, 413, 415, 422, 503),
)
async def stylize(request: Request) -> Response:
    """Draw a photo. `X-Box` says what of it was drawn: left, top, right, bottom in shares of its sides."""
    booth = booth_of(request)
    form = await read_form(request, booth.settings, booth.held)
    photo = form.file("photo")
    wish = await run_in_threadpool(wish_of, booth, form)
    drawn = await unless_gone(request, booth.draw(photo, wish))
    headers = {
        "x-box": ",".join(f"{value:.5f}" for value in drawn.box),
        "x-faces": str(drawn.faces),
        "x-seconds": f"{drawn.seconds:.3f}",
        "cache-control": "no-store",
    }
    return Response(drawn.data, media_type=MEDIA[wish.format], headers=headers)


@router.post(
    "/print",
    response_class=Response,
    openapi_extra=described(drawing="What stylize answered"),
    responses=pictures("application/pdf") | documented(400, 401, 408, 413, 415, 422, 503),
)
async def print_(request: Request) -> Response:
    """Lay a drawing out on photo paper, as a PDF at 300 dpi."""
    booth = booth_of(request)
    form = await read_form(request, booth.settings, booth.held)
    form.only("drawing", "paper")
    paper = cast(Paper, one_of(form, "paper", tuple(PAPERS)))
    data = await unless_gone(request, booth.pdf(form.file("drawing"), paper))
    return Response(data, media_type="application/pdf", headers={"cache-control": "no-store"})


@router.post(
    "/search",
    openapi_extra=described(picture="A drawing"),
    responses=documented(400, 401, 404, 408, 413, 415, 422, 503),
)
async def search(request: Request) -> StylePage:
    """The catalogue's styles that are nearest to a drawing, nearest first."""
    booth = booth_of(request)
    form = await read_form(request, booth.settings, booth.held)
    form.only("picture")
    picture = form.file("picture")
    if booth.shelf.catalog is None:
        raise Problem(404, "there is no catalogue here", "fewshot catalog add makes one")
    with booth.pool.slot():
        found = await run_in_threadpool(booth.nearest, picture)
    return StylePage(styles=[shown(offer) for offer in found], total=len(found))


@router.get("/health", responses=documented(503))
async def health(request: Request) -> Health:
    """Whether the booth draws, and how busy it is."""
    pool = booth_of(request).pool
    if not pool.draws:
        raise busy(10, detail="the booth does not draw")
    return Health(
        status="ok",
        waiting=pool.taken,
        most_waiting=pool.settings.most_waiting,
        seconds_a_drawing=round(pool.mean, 3),
    )


@router.get("/metrics", response_class=PlainTextResponse, responses=documented(401))
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return PlainTextResponse(booth_of(request).metrics.text(), media_type=CONTENT_TYPE_LATEST)


@router.post("/pin", status_code=204, responses=documented(400, 401, 408, 413, 415, 422, 429))
async def pin(request: Request) -> Response:
    """Come in: the cookie that this sets lets the browser pass."""
    booth, door = booth_of(request), request.app.state.door
    form = await read_form(request, booth.settings, booth.held, _PIN_BYTES)
    token = door.enter(form.text("pin"), client_of(request.scope))
    answer = Response(status_code=204)
    answer.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=booth.settings.secure)
    return answer


@router.websocket("/live")
async def live_filter(socket: WebSocket) -> None:
    """See `live.py`."""
    await live.serve(booth_of(socket), socket)

"""What people see: HTML that works without JavaScript where it can."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, select_autoescape

from fewshot.web.api import booth_of, card
from fewshot.web.words import LANGUAGES, negotiate, words

if TYPE_CHECKING:
    from fewshot.web.problems import Problem

PAGE = 60
"""Styles on a page of the catalogue."""

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

_templates = Environment(
    loader=PackageLoader("fewshot.web"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["url"] = lambda text: quote(text, safe="@")


def render(request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page in the visitor's language."""
    chosen = request.cookies.get("lang", "")
    language = negotiate(request.headers.get("accept-language", ""), chosen)
    said = words(language)
    # `<` could end the element that the words lie in.
    embedded = json.dumps(said, ensure_ascii=False).replace("<", "\\u003c")
    html = _templates.get_template(name).render(
        w=said,
        words=embedded,
        language=language,
        languages=LANGUAGES,
        page=name.removesuffix(".html"),
        catalogue=booth_of(request).shelf.catalog is not None,
        **values,
    )
    headers = {"content-language": language, "vary": "accept-language, cookie", "cache-control": "no-store"}
    return HTMLResponse(html, status, headers)


def problem_page(request: Request, problem: Problem) -> HTMLResponse:
    """A failure, for people."""
    answer = render(request, "problem.html", problem.status, problem=problem)
    answer.headers.update(problem.headers)
    return answer


@router.get("/")
def booth(request: Request) -> HTMLResponse:
    """The booth."""
    here = booth_of(request)
    offers, total = here.shelf.offers(limit=PAGE)
    return render(request, "booth.html", offers=offers, total=total, keeps=here.settings.keep is not None)


@router.get("/pin")
def pin(request: Request) -> HTMLResponse:
    """The door."""
    return render(request, "pin.html", digits=booth_of(request).settings.pin.isdecimal())


@router.get("/styles")
def styles(request: Request, q: str = "", offset: int = 0) -> HTMLResponse:
    """The catalogue."""
    offset = min(max(0, offset), 10**6)
    offers, total = booth_of(request).shelf.offers(q[:200].split(), limit=PAGE, offset=offset)
    return render(request, "styles.html", offers=offers, total=total, q=q[:200], offset=offset, step=PAGE)


@router.get("/styles/{ref}")
def style(request: Request, ref: str) -> HTMLResponse:
    """A style's card."""
    return render(request, "style.html", card=card(booth_of(request), ref))


@router.get("/map")
def map_(request: Request) -> HTMLResponse:
    """The map of the catalogue's styles."""
    return render(request, "map.html", spots=booth_of(request).map_spots())


@router.get("/compare")
def compare(request: Request) -> HTMLResponse:
    """One photo in several styles."""
    offers, total = booth_of(request).shelf.offers(limit=PAGE)
    return render(request, "compare.html", offers=offers, total=total)

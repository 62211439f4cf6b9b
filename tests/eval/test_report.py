"""The page: self-contained, equal for equal reports, true to its numbers, whatever the names in it say."""

from __future__ import annotations

import base64
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import EvalError
from eval.intervals import Estimate
from eval.report import NumberRow, Numbers, Report, interval_text, is_report, number_text, render
from eval.report_pictures import Gallery, Picture, data_uri
from eval.report_plots import Axis, Bar, Cloud, Forest, MapPlot, Spread, Strips

HOSTILE = '</script><img src=x onerror=alert(1)> & "it\'s"'
VOID = {"meta", "link", "img", "br", "input"}


def estimate(value: float, low: float, high: float) -> Estimate:
    return Estimate(value, low, high, 28, 100, "random")


def picture(seed: int = 0, alt: str = "a face") -> Picture:
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 40, 40), np.uint8)
    return Picture(pixels, alt, "001", marked=seed % 2 == 0)


@pytest.fixture
def report() -> Report:
    rng = np.random.default_rng(0)
    names = tuple(f"{i:03d}" for i in range(5))
    cells = (estimate(1.45, 1.19, 1.73), None)
    sections = (
        Forest(
            "Far", "how", "KID", (Bar("mine", estimate(0.4, -0.1, math.inf), "result", "group"),), mark=1.0
        ),
        Numbers("Numbers", "all", ("base", "mine"), (NumberRow("KID", "random", cells, "chance 0.5"),)),
        Gallery("Near", "first", ("photo", "result"), ((picture(0), picture(1)),)),
        MapPlot("Map", "t-SNE", (Cloud("mine", "result", rng.normal(size=(5, 2)), names, picture(2)),)),
        Strips("Each", "dots", "distance", (Spread("mine", "result", rng.random(5)),), ((0.5, "a copy"),)),
    )
    facts = (("drawings", "unseen: 28"),)
    return Report(
        "mine", "by 28", ("It is near.",), ("small n",), sections, facts, (("names", names),), {"a": 1}
    )


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID and tag not in ("line", "circle", "rect", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self.open and tag not in ("line", "circle", "rect", "path", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_is_whole_and_needs_nothing_else(report: Report) -> None:
    html = render(report)
    page = Page(html)
    assert page.open == []
    addresses = [a[key] for _, a in page.elements for key in ("src", "href") if key in a]
    assert addresses
    assert all(address is not None and address.startswith(("data:", "#")) for address in addresses)
    assert "http" not in html.replace("http-equiv", "")
    assert "url(" not in html
    assert "@import" not in html
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_equal_reports_give_equal_pages(report: Report) -> None:
    assert render(report) == render(replace(report))


def test_every_picture_and_plot_has_words(report: Report) -> None:
    elements = Page(render(report)).elements
    assert all(a.get("alt") for tag, a in elements if tag == "img")
    plots = [a for tag, a in elements if tag == "svg" and a.get("role") == "img"]
    assert len(plots) == 3
    assert all(a.get("aria-label") for a in plots)
    headings = [tag for tag, _ in elements if tag in ("h1", "h2", "h3")]
    assert headings[0] == "h1"
    assert headings.count("h1") == 1


def test_names_cannot_become_part_of_the_page(report: Report) -> None:
    forest = Forest(HOSTILE, HOSTILE, HOSTILE, (Bar(HOSTILE, estimate(1, 0, 2), "other", HOSTILE),))
    numbers = Numbers(
        HOSTILE, HOSTILE, (HOSTILE,), (NumberRow(HOSTILE, HOSTILE, (estimate(1, 0, 2),), HOSTILE),)
    )
    gallery = Gallery(HOSTILE, HOSTILE, (HOSTILE,), ((picture(alt=HOSTILE),),))
    cloud = MapPlot(HOSTILE, HOSTILE, (Cloud(HOSTILE, "other", np.zeros((1, 2)), (HOSTILE,)),))
    hostile = Report(
        HOSTILE,
        HOSTILE,
        (HOSTILE,),
        (HOSTILE,),
        (forest, numbers, gallery, cloud),
        ((HOSTILE, HOSTILE),),
        ((HOSTILE, (HOSTILE,)),),
        {HOSTILE: HOSTILE},
    )
    page = Page(render(hostile))
    assert not [a for _, a in page.elements if a.get("src") == "x" or "onerror" in a]
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert HOSTILE in page.text


def test_the_numbers_lie_in_the_page_as_json(report: Report) -> None:
    record = {"text": HOSTILE, "value": 0.25, "none": None}
    html = render(replace(report, record=record))
    found = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', html, re.DOTALL)
    assert found is not None
    assert json.loads(found[1]) == record
    with pytest.raises(ValueError, match="JSON"):
        render(replace(report, record={"value": math.nan}))


def test_a_report_knows_its_own(report: Report, tmp_path: Path) -> None:
    page, other = tmp_path / "a.html", tmp_path / "b.html"
    page.write_text(render(report))
    other.write_text("<html></html>")
    assert (is_report(page), is_report(other), is_report(tmp_path)) == (True, False, False)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4567, "0.457"),
        (-0.0123, "−0.0123"),
        (math.inf, "∞"),
        (math.nan, "–"),
        (0.0, "0"),
        (12345.6, "12346"),
    ],
)
def test_numbers_are_short_and_say_when_there_is_none(value: float, text: str) -> None:
    assert number_text(value) == text


def test_an_open_interval_says_so_and_one_that_is_none_is_empty() -> None:
    assert interval_text(estimate(1, -0.123, math.inf)) == "[−0.12, ∞]"
    assert interval_text(estimate(1, math.nan, math.nan)) == ""


finite = st.floats(-1e6, 1e6, allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(st.lists(finite, min_size=1, max_size=8))
def test_an_axis_holds_its_values_in_order_and_has_a_few_round_ticks(values: list[float]) -> None:
    axis = Axis.over([*values, math.inf, math.nan], [0.0])
    places = [axis.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(3 <= place <= 97 for place in places)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 6
    for place, text in ticks:
        assert place == pytest.approx(axis.place(float(text)), abs=0.02)
    assert axis.place(math.inf) == 97
    assert not axis.holds(math.inf)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 30))
def test_points_of_a_map_stay_on_it_and_keep_their_proportions(seed: int, n: int) -> None:
    points = np.random.default_rng(seed).normal(size=(n, 2)) * [3, 1]
    cloud = Cloud("a", "result", points, tuple(map(str, range(n))))
    placed = np.array([(x, y) for x, y, _ in MapPlot("", "", (cloud,)).placed(cloud)])
    assert placed.min() >= 0
    assert (placed <= [100, 70]).all()
    if n > 2:
        before, after = (np.linalg.norm(side[1:] - side[:-1], axis=1) for side in (points, placed))
        assert np.allclose(after / before, (after / before)[0], rtol=0.05, atol=0.2)


def test_a_picture_is_small_and_keeps_its_colours() -> None:
    pixels = np.zeros((3, 300, 200), np.uint8)
    pixels[0] = 200
    encoded = data_uri(pixels)
    image = cv2.imdecode(np.frombuffer(base64.b64decode(encoded.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (112, 75)
    assert np.abs(image[50, 40].astype(int) - [0, 0, 200]).max() < 12
    assert len(encoded) < 1000
    with pytest.raises(EvalError, match="picture"):
        data_uri(np.zeros((3, 4, 4), np.float32))

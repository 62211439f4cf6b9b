"""The report in a real browser: nothing fails, nothing is fetched, and nothing is wider than a phone."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.samples import sample_folder

pytestmark = pytest.mark.usefixtures("no_downloads")

_FRAME = """<body><script>
const found = {};
for (const width of WIDTHS) {
  const frame = document.createElement("iframe");
  frame.width = width; frame.height = 800; frame.src = "report.html";
  frame.onload = () => {
    const page = frame.contentDocument, root = page.documentElement;
    found[width] = {
      over: root.scrollWidth - root.clientWidth,
      pictures: [...page.images].filter(image => image.complete && image.naturalWidth > 0).length,
      plots: [...page.querySelectorAll("svg[role=img]")].filter(plot => plot.clientHeight > 10).length,
      verdict: page.querySelector(".verdict").getBoundingClientRect().top,
      fetched: frame.contentWindow.performance.getEntriesByType("resource")
        .filter(entry => !entry.name.startsWith("data:")).length,
    };
    document.body.dataset.found = JSON.stringify(found);
  };
  document.body.append(frame);
}
</script></body>"""


@pytest.fixture(scope="module")
def browser() -> str:
    """Chromium's program; skips where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine: install it to see the report in a browser")


def test_the_page_fits_a_phone_and_a_desk(browser: str, tmp_path: Path) -> None:
    ink, flat = sample_folder("ink"), sample_folder("flat")
    arguments = ["--drawings", ink, "--photos", flat, "--trained-on", ink, "--shown", "2", "--size", "64"]
    out = tmp_path / "report.html"
    result = CliRunner().invoke(app, ["eval", "report", str(flat), *map(str, arguments), "-o", str(out)])
    assert result.exit_code == 0, result.stderr
    widths = [320, 375, 700, 1200]
    frame = tmp_path / "frame.html"
    frame.write_text(_FRAME.replace("WIDTHS", json.dumps(widths)))
    seen = subprocess.run(
        [
            browser,
            *("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *("--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--virtual-time-budget=8000", "--dump-dom", frame.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert "CONSOLE" not in seen.stderr
    match = re.search(r"data-found=\"([^\"]*)\"", seen.stdout)
    assert match is not None
    found = json.loads(match[1].replace("&quot;", '"'))
    assert set(found) == set(map(str, widths))
    for width, one in found.items():
        assert (one["over"], one["fetched"]) == (0, 0), width
        assert one["pictures"] == out.read_text(encoding="utf-8").count("<img ")
        assert one["plots"] > 8
        assert one["verdict"] < 200

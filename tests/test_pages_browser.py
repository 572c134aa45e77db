"""Every page in a real browser: nothing overflows or is refused, and all is legible by day and by night."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.home import Home
from features.labels import CHURN_DEFINITIONS
from features.pages.describe import features_page
from features.settings import Settings
from tests.serving.described import docs_text
from training.labels import Comparison, Counted, Windows
from training.pages.labels import labels_page

CHROMIUM = shutil.which("chromium")
PAGES = ("quality", "features", "labels", "churn-1", "value-1", "propensity-1", "docs")
WIDTHS = (400, 820, 1280)
LEGIBLE = 4.5
"""Least contrast of text and ground, from 1 to 21: WCAG 2.2, success criterion 1.4.3 (AA)."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; .ci/run installs it")

# A page runs no script, so a frame around it looks at it.
LOOK = """
const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
const linear = v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
const contrast = (a, b) => {
  const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
  return (x + .05) / (y + .05);
};
function ground(element, view) {
  for (; element; element = element.parentElement) {
    const colour = rgb(view.getComputedStyle(element).backgroundColor);
    if (colour.length === 3 || colour[3] > 0) return colour;
  }
  return [255, 255, 255];
}
function seen(frame) {
  const view = frame.contentWindow, page = view.document, root = page.documentElement;
  const letters = 'h1, h2, h3, p, a, th, td, li, figcaption, code, span, svg text';
  const spoken = [...page.querySelectorAll(letters)].filter(e => e.textContent.trim());
  const ink = e => rgb(view.getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color']);
  const faint = spoken.filter(e => contrast(ink(e), ground(e, view)) < LEGIBLE);
  const drawn = [...page.querySelectorAll('img, svg')];
  const outside = e => {
    const r = e.getBoundingClientRect(), s = e.ownerSVGElement.getBoundingClientRect();
    return r.left < s.left - 1 || r.right > s.right + 1 || r.bottom > s.bottom + 1;
  };
  return {
    page: frame.dataset.page, width: frame.clientWidth,
    dark: light(ground(page.body, view)) < .5,
    overflow: root.scrollWidth - root.clientWidth,
    faint: [...new Set(faint.map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 40)))],
    cut: [...page.querySelectorAll('svg text')].filter(outside).map(e => e.textContent),
    pictures: drawn.length,
    empty: drawn.filter(e => !(e.tagName === 'IMG' ? e.naturalWidth : e.clientWidth)).length,
  };
}
window.onload = () => {
  const frames = [...document.querySelectorAll('iframe')];
  document.getElementById('found').textContent = JSON.stringify(frames.map(seen));
};
"""


@dataclass(frozen=True)
class Seen:
    """What the browser saw: one entry a page and width, and what its console said."""

    frames: list[dict[str, object]]
    console: list[str]


def look(pages: list[Path], scratch: Path, *options: str) -> Seen:
    frames = "".join(
        f'<iframe data-page="{page.stem}" width="{width}" height="800" style="border: 0" '
        f'src="{page.as_uri()}"></iframe>'
        for page in pages
        for width in WIDTHS
    )
    around = scratch / "around.html"
    script = LOOK.replace("LEGIBLE", str(LEGIBLE))
    around.write_text(f"<!doctype html>{frames}<pre id='found'></pre><script>{script}</script>")
    done = subprocess.run(
        [
            *(str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--disable-dev-shm-usage", "--allow-file-access-from-files", "--enable-logging=stderr"),
            *(f"--user-data-dir={scratch / 'profile'}", "--window-size=1300,900", *options),
            *("--dump-dom", around.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    text = found[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return Seen(json.loads(text), re.findall(r".*CONSOLE.*", done.stderr))


def comparison() -> Comparison:
    """A comparison of all definitions over four snapshots, as the page is given one."""
    names = tuple(CHURN_DEFINITIONS)
    starts = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=91 * n) for n in range(4)]
    days = (timedelta(days=14), timedelta(days=194), timedelta(days=194))
    return Comparison(
        generation="2026-01-01.1",
        horizon_days=180,
        gap_days=14,
        snapshots=tuple(Windows(start, *(start + d for d in days)) for start in starts),
        by_snapshot={name: [Counted(18_505, 998 + 10 * n) for n in range(4)] for name in names},
        excluded={name: {"nothing came regularly before": 3_026} for name in names},
        months={name: dict.fromkeys(range(1, 7), 161) for name in names},
        lacking=dict.fromkeys(names, ("transactions lack one before 2023-01-01",)),
        overlap={name: dict.fromkeys(names, 0.88) for name in names},
        phi={name: dict.fromkeys(names, 0.63) for name in names},
        lines={"current_account": Counted(18_505, 998)},
    )


@pytest.fixture(scope="module")
def pages(bank: Home, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    settings = Settings(bank.path, threads=1, memory="1GB", salt="", sample_data=None)
    (folder / "features.html").write_text(features_page(bank, settings))
    (folder / "labels.html").write_text(labels_page(comparison()))
    (folder / "docs.html").write_text(docs_text())
    for written in bank.reports.glob("*.html"):
        shutil.copyfile(written, folder / written.name)
    found = [folder / f"{name}.html" for name in PAGES]
    assert [page.name for page in found if not page.is_file()] == []
    return found


@pytest.fixture(scope="module", params=["light", "dark"])
def seen(
    request: pytest.FixtureRequest, pages: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Seen:
    dark = request.param == "dark"
    scheme = f"--blink-settings=preferredColorScheme={int(not dark)}"
    found = look(pages, tmp_path_factory.mktemp(request.param), scheme)
    assert {frame["dark"] for frame in found.frames} == {dark}
    return found


def test_no_page_is_wider_than_its_window(seen: Seen) -> None:
    assert len(seen.frames) == len(PAGES) * len(WIDTHS)
    assert [(f["page"], f["width"], f["overflow"]) for f in seen.frames if f["overflow"]] == []


def test_every_text_is_legible_by_day_and_by_night(seen: Seen) -> None:
    assert [(f["page"], f["faint"]) for f in seen.frames if f["faint"]] == []


def test_every_picture_is_shown_and_no_letter_of_it_is_cut(seen: Seen) -> None:
    assert all(int(str(f["pictures"])) >= 2 for f in seen.frames if f["page"] != "docs")
    assert [(f["page"], f["empty"], f["cut"]) for f in seen.frames if f["empty"] or f["cut"]] == []


def test_the_browser_refuses_nothing_and_reports_no_error(seen: Seen) -> None:
    assert seen.console == []


def test_a_page_that_is_too_wide_faint_or_scripted_would_be_found(tmp_path: Path) -> None:
    rule = "default-src 'none'; style-src 'unsafe-inline'"
    policy = f'<meta http-equiv="Content-Security-Policy" content="{rule}">'
    bad = tmp_path / "bad.html"
    bad.write_text(
        f'<!doctype html>{policy}<p style="width: 3000px; color: #ddd">faint</p><script>1</script>'
        '<svg viewBox="0 0 9 9" width="50"><text x="8">cut off</text></svg><img src="gone.png">'
    )
    found = look([bad], tmp_path)
    assert all(f["overflow"] and f["faint"] and f["cut"] and f["empty"] for f in found.frames)
    assert any("Content Security Policy" in line for line in found.console)

"""The quality page: readable alone, and silent about customers."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from features.catalogue import load_catalogue, shipped_catalogue
from features.history.check import check_folder
from features.history.page import quality_page
from features.pages.bars import lying_bars, upright_bars
from features.pages.render import canvas, picture, render
from features.vocabulary import Catalogue
from tests.features.conftest import day, row
from tests.features.spoil import add, add_column, set_to

VOID = {"meta", "link", "br", "img", "hr", "input"}


class Tags(HTMLParser):
    """Collects tags and addresses, and checks that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.addresses += [
            value or "" for name, value in attrs if name in ("src", "href", "action", "data")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    file = tmp_path / "catalogue.toml"
    file.write_bytes(shipped_catalogue())
    return load_catalogue(file)


@pytest.fixture
def page(tiny_bank: Path, catalogue: Catalogue) -> str:
    """The page of a bank with one broken booking, one late one, two months' gap and a column too many."""
    add("transactions", row("transactions", transaction_id="SECRETID", at=day("2024-04-02"), category="?"))(
        tiny_bank
    )
    late = row("transactions", transaction_id="L1", at=day("2024-07-01"), known_at=day("2024-07-04"))
    add("transactions", late)(tiny_bank)
    add_column("customers", "<b>shoe</b>")(tiny_bank)
    set_to("customers", "region", "Atlantis")(tiny_bank)
    return quality_page(check_folder(tiny_bank, catalogue, max_quarantined=0.1), "Quality of <tiny>")


def test_the_page_stands_alone_and_needs_no_script(page: str) -> None:
    tags = Tags(page)
    assert tags.open == []
    assert "script" not in tags.seen
    assert tags.addresses
    assert all(address.startswith("#") for address in tags.addresses)
    assert set(re.findall(r"https?://[^\"' ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert tags.seen.count("svg") >= 10


def test_the_page_says_what_was_found(page: str) -> None:
    words = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    for said in (
        "Fit for import. 1 of 39 rows break the contract",
        "transactions.parquet category not one of the contract&#39;s words 1 use one of:",
        "Months without rows: 2024-05, 2024-06.",
        "the import leaves out: &lt;b&gt;shoe&lt;/b&gt;.",
        "26 rows in transactions.parquet , from 2024-01-03 to 2024-07-01",
        "1 (3.8%) are quarantined",
        "When rows were known",
        "Amounts",
        "Rows by category",
    ):
        assert said in words, said
    assert "Quality of &lt;tiny&gt;" in page


def test_the_page_carries_no_customers_value(page: str, tiny_bank: Path) -> None:
    assert "Atlantis" not in page
    assert "SECRETID" not in page
    words = set(re.findall(r"[\w.-]+", page))
    for name, column in (
        ("customers", "customer_id"),
        ("transactions", "transaction_id"),
        ("transactions", "amount"),
    ):
        values = {str(value) for value in pq.read_table(tiny_bank / f"{name}.parquet")[column].to_pylist()}
        assert not values & words


def test_a_refused_folder_has_a_page_too(tiny_bank: Path, catalogue: Catalogue) -> None:
    (tiny_bank / "holdings.parquet").unlink()
    set_to("transactions", "category", "?")(tiny_bank)
    page = quality_page(check_folder(tiny_bank, catalogue), "x")
    assert "Not fit for import." in page
    assert "What refuses the folder" in page
    assert "the table is missing" in page


def test_bars_are_as_long_as_their_values() -> None:
    lying = str(lying_bars({"a": 4, "b": 1, "c": 0}, ["4", "1", "0"], "x"))
    lengths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', lying)]
    assert lengths[0] == pytest.approx(4 * lengths[1], rel=0.01)
    assert len(lengths) == 2
    upright = str(upright_bars({"rows": [4, 0, 1]}, {0: "a"}, "x"))
    heights = [float(height) for height in re.findall(r'<rect [^>]*height="([\d.]+)"', upright)]
    assert len(heights) == 2
    assert heights[0] == pytest.approx(4 * heights[1], rel=0.01)


def test_labels_are_escaped() -> None:
    assert "<script>" not in lying_bars({"<script>": 1}, ["<script>"], '"><script>')
    assert "<script>" not in upright_bars({"a": [1]}, {0: "<script>"}, '"><script>')


def test_a_page_without_its_values_is_an_error_not_a_hole() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError):
        render("quality.html.j2", title="x")


def test_figures_drawn_alike_are_the_same_address_inside_the_page() -> None:
    def drawn() -> str:
        figure = canvas()
        figure.axes[0].bar([1, 2], [3, 4])
        return picture(figure)

    address = drawn()
    assert address == drawn()
    assert address.startswith("data:image/svg+xml;base64,")
    assert b"<svg" in base64.b64decode(address.split(",")[1])

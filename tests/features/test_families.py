"""The feature declarations, each expressed and derived feature on rows small enough to check by hand."""

import statistics
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pytest

from features.catalogue import load_catalogue
from features.compute import feature_table, spine_of
from features.eligibility import eligible
from features.families import all_families, model_fields
from features.families.base import Family
from features.history.cut import cut_history
from tests.features.conftest import Rows, row
from tests.features.memory_bank import connect

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
FAMILIES = all_families(CATALOGUE)
FIELDS = [field for family in FAMILIES for field in family.fields]
AS_OF = datetime(2024, 3, 1, tzinfo=UTC)
UNITS = {
    *("cents", "cents (mean)", "count", "days", "days (mean)", "years", "ratio", "0/1"),
    *("word", "id", "0 to 10", "points", "-1 to 1"),
}


def computed(tables: dict[str, Rows], families: Sequence[Family] = FAMILIES) -> dict[str, dict[str, Any]]:
    """Every field by customer, at AS_OF."""
    cut = cut_history(connect(tables), AS_OF)
    found = feature_table(cut, spine_of(cut), families).to_pyarrow().to_pylist()
    return {values["customer_id"]: values for values in found}


def ago(days: float) -> datetime:
    return AS_OF - timedelta(days=days)


class Bank:
    """Rows of a hand-made bank; ids are given in the order of writing."""

    def __init__(self) -> None:
        self.tables: dict[str, Rows] = {
            name: [] for name in ("customers", "holdings", "transactions", "interactions")
        }

    def add(self, table: str, customer: str, **values: Any) -> None:
        rows = self.tables[table]
        ids = {
            "holdings": {"holding_id": f"H-{customer}"},
            "transactions": {"transaction_id": f"T{len(rows):04}", "holding_id": f"H-{customer}"},
            "interactions": {"interaction_id": f"I{len(rows):04}"},
        }
        rows.append(row(table, customer_id=customer, **{**ids.get(table, {}), **values}))

    def customer(self, name: str, **values: Any) -> None:
        self.add("customers", name, **values)
        self.add("holdings", name)

    def book(
        self, customer: str, at: datetime, amount: int, category: str = "other", **values: Any
    ) -> None:
        self.add("transactions", customer, at=at, amount=amount, category=category, **values)

    def meet(self, customer: str, days: float, kind: str, **values: Any) -> None:
        self.add("interactions", customer, at=ago(days), kind=kind, **values)


def monthly(first: datetime, last: datetime) -> list[datetime]:
    """The same day of every month, both ends included."""
    count = (last.year - first.year) * 12 + last.month - first.month
    return [
        first.replace(year=first.year + (first.month - 1 + n) // 12, month=(first.month - 1 + n) % 12 + 1)
        for n in range(count + 1)
    ]


def of_day(day: int, first: str, last: str) -> list[datetime]:
    begin, end = (datetime.fromisoformat(f"{month}-{day:02}T09:00+00:00") for month in (first, last))
    return monthly(begin, end)


@pytest.fixture(scope="module")
def bank() -> dict[str, dict[str, Any]]:
    """Everybody's features; each customer shows one theme."""
    b = Bank()
    _money(b)
    _homes(b)
    _managers(b)
    _contacts(b)
    _complaints(b)
    _stages(b)
    return computed(b.tables)


def _money(b: Bank) -> None:
    b.customer("paid")
    for at in of_day(25, "2023-03", "2024-01"):
        b.book("paid", at, 250_000, "salary")
    b.customer("moving")
    for at in of_day(25, "2023-09", "2023-12"):
        b.book("moving", at, 250_000, "salary")
    for at in of_day(5, "2023-09", "2024-02"):
        b.book("moving", at, -10_000, "standing_order")
    for at in of_day(3, "2023-09", "2023-11"):
        b.book("moving", at, -90_000, "household")
    b.customer("bonus")
    b.customer("newcomer", joined_at=datetime(2023, 1, 5, tzinfo=UTC))
    for at in of_day(20, "2022-09", "2024-02"):
        for name in ("bonus", "newcomer"):
            b.book(name, at, 300 if at.month == 12 else 100, "salary")
    b.customer("falling", income=None)
    for at, level in zip(
        of_day(20, "2023-08", "2024-02"), (400, 500, 250, 300, 300, 200, 100), strict=True
    ):
        b.book("falling", at, 1, balance_after=level)
    b.add("holdings", "falling", holding_id="L", product="loan")


def _homes(b: Bank) -> None:
    b.customer("head", household_id="home")
    b.customer("partner", household_id="home")
    b.customer("silent", household_id="home", consent_profiling=False)
    b.customer("home")  # an id like the household's
    for name, balance in (("head", 1_000), ("partner", -200), ("silent", 5_000), ("home", 7)):
        b.book(name, ago(20), 1, balance_after=balance)
    ended = {"holding_id": "H-ended", "product": "card"}
    b.add("holdings", "partner", **ended)
    b.add("holdings", "partner", **ended, closed_at=ago(30), close_reason="customer", known_at=ago(29))


def _managers(b: Bank) -> None:
    b.customer("handed_over", manager_id="M1")
    b.add("customers", "handed_over", manager_id="M2", valid_from=ago(40), known_at=ago(40))
    b.add("customers", "handed_over", manager_id="M3", valid_from=ago(5), known_at=ago(-1))
    b.customer("given_one", manager_id=None)
    b.add("customers", "given_one", manager_id="M2", valid_from=ago(100), known_at=ago(100))
    b.add("customers", "given_one", manager_id="M2", valid_from=ago(10), known_at=ago(10), income=1)
    for days, kind in ((3, "call"), (50, "visit"), (91, "visit"), (2, "session")):
        b.meet("given_one", days, kind, channel="call", direction="in")
        b.meet("head", days, kind, channel="call", direction="in")


def _contacts(b: Bank) -> None:
    b.customer("asked")
    for days, response, channel in (
        (3, "none", "email"),
        (20, "refused", "call"),
        (60, "opened", "email"),
        (200, "accepted", "email"),
        (300, "refused", "app"),
    ):
        b.meet("asked", days, "campaign", response=response, channel=channel)
    b.meet("asked", 5, "call", channel="call")  # nothing was offered
    b.customer("refusing")
    for days, response, product in (
        (1, "opened", "card"),
        (40.5, "refused", "card"),
        (90, "refused", "card"),
        (730, "opted_out", "loan"),
        (730.001, "refused", "savings_account"),
        (10, "refused", None),
        (12, "accepted", "insurance"),
    ):
        b.meet("refusing", days, "campaign", response=response, product=product)
    b.meet("refusing", 3, "campaign", response="refused", product="investment", known_at=ago(-1))


def _complaints(b: Bank) -> None:
    b.customer("cross")
    for days, settled in ((100, 97), (200, 170), (20, None), (5, None)):
        resolved = None if settled is None else ago(settled)
        b.meet("cross", days, "complaint", resolved_at=resolved, known_at=ago(settled or days))
    for days, rating in ((40, 3.0), (20, 4.0), (20, 9.0), (5, None)):
        b.meet("cross", days, "survey", rating=rating)
    b.customer("content")
    b.meet("content", 10, "survey", rating=6.0)


def _stages(b: Bank) -> None:
    b.customer("fresh", joined_at=ago(89))
    b.customer("buying")
    b.customer("bought")
    for name, days in (("buying", 30), ("bought", 31)):
        b.add("holdings", name, holding_id=f"N-{name}", product="card", opened_at=ago(days))
    b.customer("curious")
    b.meet("curious", 60, "campaign", response="opened")
    b.customer("visiting")
    for days in (1, 2, 3, 4, 40, 50, 60, 70):
        b.meet("visiting", days, "session", channel="app", direction="in")


def test_there_are_features_enough_and_each_is_declared_whole() -> None:
    names = [f.name for f in FIELDS]
    assert 150 <= len(names) <= 210
    assert len(names) == len(set(names))
    for f in FIELDS:
        assert f.name.isidentifier() and f.name == f.name.lower()
        assert f.meaning and f.label and f.label[0].isupper() and len(f.label) < 60, f.name
        assert f.unit in UNITS, f.name
        assert (f.dtype == "string") == (f.unit in ("word", "id")), f.name
        assert f.dtype == "int64" or f.null == "null" or f.name == "primacy_score", f.name
        assert not f.words or f.dtype == "string"
    assert len({f.label for f in FIELDS}) == len(FIELDS), "two reasons would read the same"


def test_models_are_fed_neither_gender_nor_ids() -> None:
    kept = {f.name for f in FIELDS if f.use == "decision"}
    assert {"gender", "household_id", "manager_id", "consent_marketing", "consent_profiling"} <= kept
    assert kept.isdisjoint(f.name for f in model_fields(CATALOGUE))
    assert {f.name for f in FIELDS if f.protected} == {"gender", "age_years"}
    assert {f.data_class for f in FIELDS if f.name in ("gender", "household_id", "age_years")} == {"C2"}


def test_every_family_compiles_for_spark() -> None:
    pytest.importorskip("pyspark")
    assert ibis.pyspark.name == "pyspark"  # its options exist once it is loaded
    cut = cut_history(connect({}), AS_OF)
    sql = ibis.to_sql(feature_table(cut, spine_of(cut), FAMILIES), dialect="pyspark")
    assert all(f"`{f.name}`" in sql for f in FIELDS)


def test_a_family_names_the_tables_that_it_reads() -> None:
    assert {f.name: f.relations for f in FAMILIES if f.name in ("profile", "channels", "household")} == {
        "profile": ("customers",),
        "channels": ("transactions", "interactions"),
        "household": (),
    }
    for family in FAMILIES:
        assert family.relations or not family.base_fields, family.name


def test_salary_is_followed_by_month_and_distance(bank: dict[str, dict[str, Any]]) -> None:
    paid = bank["paid"]
    assert (paid["income_count_365d"], paid["days_since_income"]) == (11, 35)
    assert paid["months_with_salary_6m"] == 5  # not in February
    assert paid["salary_overdue_days"] == 35 - (365 - 35) // 11 - 3
    assert paid["income_arrival_share"] == 500_000 / 750_000
    assert paid["balance_to_income"] == 100_00 / 250_000
    assert (paid["primacy_score"], paid["primacy_ending"]) == (0.2, 0)
    assert bank["bonus"]["salary_overdue_days"] == 0
    assert bank["head"]["salary_overdue_days"] is None


def test_primacy_ends_when_half_of_what_came_has_stopped(bank: dict[str, dict[str, Any]]) -> None:
    moving = bank["moving"]
    assert moving["months_with_salary_6m"] == 4
    assert moving["primacy_score"] == 0.2  # the standing order alone
    assert moving["primacy_ending"] == 1
    assert bank["bonus"]["primacy_ending"] == 0
    assert bank["head"]["primacy_ending"] == 0  # nothing ever came


def test_what_comes_every_year_is_no_change(bank: dict[str, dict[str, Any]]) -> None:
    bonus, newcomer = bank["bonus"], bank["newcomer"]
    assert bonus["inflow_change_3m"] == 500 / 300
    assert (bonus["inflow_change_1y"], bonus["income_change_1y"]) == (1.0, 1.0)
    assert bonus["inflow_change_seasonal"] == 1.0
    assert bonus["outflow_change_seasonal"] is None  # nothing ever went out
    # Here for 14 months only: last year's quarter was not whole.
    assert newcomer["inflow_change_3m"] == 500 / 300
    assert newcomer["inflow_change_1y"] is None
    assert newcomer["inflow_change_seasonal"] is None


def test_balances_fall_and_swing(bank: dict[str, dict[str, Any]]) -> None:
    falling = bank["falling"]
    assert falling["balance_falling_months"] == 2
    assert falling["balance_min_12m"] == 100
    levels = [100, 200, 300, 300, 250, 500, 400]
    expected = statistics.pstdev(levels) / statistics.mean(levels)
    assert falling["balance_volatility_6m"] == pytest.approx(expected, rel=1e-12)
    assert falling["balance_to_income"] is None
    assert falling["loan_to_income"] is None
    assert bank["paid"]["loan_to_income"] == 0.0
    assert bank["asked"]["balance_falling_months"] == 0  # no level is known


def test_a_household_is_summed_over_those_who_consent(bank: dict[str, dict[str, Any]]) -> None:
    head, partner, alone = bank["head"], bank["partner"], bank["home"]
    assert [bank[c]["household_size"] for c in ("head", "partner", "silent", "home")] == [3, 3, 3, 1]
    assert head["household_balance"] == partner["household_balance"] == 1_000  # the overdraft apart
    assert (head["household_balance_share"], partner["household_balance_share"]) == (1.0, 0.0)
    assert head["household_holdings"] == 2
    assert (head["household_closed_90d"], partner["household_closed_90d"]) == (1, 1)
    assert (alone["household_balance"], alone["household_balance_share"]) == (7, 1.0)
    assert alone["household_closed_90d"] == 0
    assert (bank["asked"]["household_balance"], bank["asked"]["household_balance_share"]) == (0, None)


def test_managers_change_as_far_as_is_known(bank: dict[str, dict[str, Any]]) -> None:
    moved, given = bank["handed_over"], bank["given_one"]
    assert (moved["manager_id"], moved["manager_changes"], moved["days_since_manager_change"]) == (
        "M2",
        1,
        40,
    )
    assert (given["manager_changes"], given["days_since_manager_change"]) == (1, 100)
    assert (moved["manager_portfolio"], given["manager_portfolio"], bank["head"]["manager_portfolio"]) == (
        2,
        2,
        0,
    )
    assert bank["head"]["days_since_manager_change"] is None
    assert (given["manager_contacts_90d"], bank["head"]["manager_contacts_90d"]) == (2, 0)


def test_offers_are_counted_and_weighed_against_the_year(bank: dict[str, dict[str, Any]]) -> None:
    asked = bank["asked"]
    assert [asked[f"contacts_{d}d"] for d in (7, 30, 90, 365)] == [1, 2, 3, 5]
    by = {
        name: (asked[f"contacts_{name}_30d"], asked[f"contacts_{name}_90d"])
        for name in ("email", "call", "app")
    }
    assert by == {"email": (1, 2), "call": (1, 1), "app": (0, 0)}
    assert (asked["accepted_365d"], asked["interest_90d"], asked["interest_365d"]) == (1, 1, 2)
    assert (asked["refusals_180d"], asked["refusals_365d"], asked["days_since_contact"]) == (1, 2, 3)
    assert (asked["response_rate_365d"], asked["refusal_share_365d"]) == (0.4, 0.4)
    assert asked["fatigue_30d"] == 2 * 365 / (5 * 30)
    assert bank["head"]["response_rate_365d"] is None


def test_a_refusal_is_remembered_by_its_product_for_two_years(bank: dict[str, dict[str, Any]]) -> None:
    since = {p: bank["refusing"][f"days_since_refusal_{p}"] for p in CATALOGUE.products}
    assert {product: days for product, days in since.items() if days is not None} == {
        "card": 40,
        "loan": 730,
    }
    assert bank["refusing"]["refusals_180d"] == 3
    assert not any(f.name.startswith("days_since_refusal") for f in model_fields(CATALOGUE))


def test_complaints_and_surveys_are_told_as_they_stand(bank: dict[str, dict[str, Any]]) -> None:
    cross, content = bank["cross"], bank["content"]
    assert (cross["complaints_open"], cross["complaint_open_days"]) == (2, 20)
    assert cross["complaint_settle_days"] == (3 + 30) / 2
    assert cross["complaints_prompt_share"] == 1 / 3  # the youngest is not due yet
    # Two answers at one moment: the one written later counts as the later one.
    assert (cross["rating_last"], cross["rating_change"], cross["days_since_survey"]) == (9.0, 5.0, 20)
    assert (cross["rating_group"], content["rating_group"], bank["head"]["rating_group"]) == (1, -1, None)
    assert (content["rating_last"], content["rating_change"]) == (6.0, None)
    assert content["complaints_prompt_share"] is None
    assert content["complaint_settle_days"] is None


def test_each_stage_of_the_relation_is_told_from_the_others(bank: dict[str, dict[str, Any]]) -> None:
    stages = {name: bank[name]["lifecycle_stage"] for name in bank}
    assert stages["fresh"] == "new"
    assert (stages["buying"], stages["bought"]) == ("during", "after")
    assert (stages["curious"], stages["visiting"]) == ("before", "before")
    assert (stages["paid"], stages["moving"]) == ("settled", "winding_down")
    assert bank["moving"]["leaving_signs"] == 2  # payments moving away, and less than half came in
    assert bank["partner"]["leaving_signs"] == 1  # a holding closed


def test_use_is_told_by_channel_and_pace(bank: dict[str, dict[str, Any]]) -> None:
    visiting = bank["visiting"]
    assert (visiting["sessions_30d"], visiting["sessions_90d"]) == (4, 8)
    assert visiting["sessions_change_30d"] == 1.5
    assert (visiting["channels_used_180d"], visiting["digital_share_180d"]) == (1, 1.0)
    given = bank["given_one"]
    assert (given["digital_share_180d"], given["channels_used_180d"]) == (0.0, 1)
    assert bank["bought"]["digital_share_180d"] is None
    assert bank["moving"]["spent_share_3m"] == 30_000 / 250_000
    assert bank["moving"]["bookings_pace_30d"] == 1 * 365 / (13 * 30)


def test_what_is_missing_is_what_may_newly_be_taken() -> None:
    b = Bank()
    for number, born in enumerate((None, 1945, 1948, 1980, 2006, 2012)):
        for kind in ("person", "business"):
            name = f"{kind}{number}"
            b.customer(name, kind=kind, birth_date=born and date(born, 3, 1))
            if number % 2:
                b.add("holdings", name, holding_id=f"C-{name}", product="card")
    b.add("holdings", "stranger", product="insurance")
    found = list(computed(b.tables, FAMILIES[:2]).values())
    columns = {
        name: np.array([values[name] for values in found]) for name in found[0] if name[:6] == "holds_"
    }
    columns["kind"] = np.array([values["kind"] for values in found])
    columns["age_years"] = np.array([values["age_years"] for values in found], dtype=np.float64)
    expected = sum(eligible(columns, product).astype(int) for product in CATALOGUE.offered)
    assert [values["products_missing"] for values in found] == expected.tolist()
    assert len(set(expected.tolist())) >= 4

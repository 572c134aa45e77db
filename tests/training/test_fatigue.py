"""The price of one more contact: by hand, from a known law, and from the simulated bank."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.errors import InputError, RefusedError
from features.home import Home
from training.uplift.fatigue import RECENT, Stakes, contact_rows, price_fatigue

STAKES = Stakes(accepted=50.0, opted_out=80.0, complained=20.0)


def met(
    customer: str, day: float, kind: str = "campaign", response: str | None = "none"
) -> dict[str, object]:
    return {
        "customer_id": customer,
        "at": pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=day),
        "kind": kind,
        "direction": "out" if kind == "campaign" else "in",
        "channel": "email",
        "product": "card",
        "response": response if kind == "campaign" else None,
    }


def test_contacts_before_and_after_are_counted_by_hand() -> None:
    rows = contact_rows(
        pd.DataFrame(
            [
                *(met("A", day) for day in (0, 80, 100, 130, 185)),
                met("A", 97, "complaint"),
                met("A", 131, "complaint"),
                met("A", 131.5, "complaint"),
                met("B", 101, response="accepted"),
                met("B", 128, response="opted_out"),
                met("C", 130, "complaint"),
            ]
        )
    )
    told = rows.set_index(["customer_id", rows["at"].dt.dayofyear - 1])
    assert list(told.index) == [("A", 100), ("A", 130), ("A", 185), ("B", 101), ("B", 128)]
    assert told["contacts_30d"].tolist() == [1, 1, 0, 0, 1]
    assert told["contacts_31_90d"].tolist() == [0, 1, 2, 0, 0]
    assert told["later_30d"].tolist() == [0, 0, 0, 1, 0]
    assert told["later_31_90d"].tolist() == [2, 1, 0, 0, 0]
    assert told["complained"].tolist() == [0, 1, 0, 0, 0]
    assert told["complained_before"].tolist() == [1, 0, 0, 0, 0]
    assert told["accepted"].tolist() == [0, 0, 0, 1, 0]
    assert told["opted_out"].tolist() == [0, 0, 0, 0, 1]


def lawful(contacts: int = 60_000, seed: int = 0) -> pd.DataFrame:
    """Contacts whose answers follow a stated law of what came before."""
    rng = np.random.default_rng(seed)
    recent, earlier = rng.poisson(0.4, contacts), rng.poisson(0.6, contacts)
    age = rng.normal(45, 15, contacts)
    call = rng.random(contacts) < 0.3
    tired = 0.5 * recent + 0.25 * earlier

    def drawn(odds: np.ndarray) -> np.ndarray:
        return (rng.random(contacts) < expit(odds)).astype(float)

    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, contacts // 4, contacts).astype(str),
            "channel": np.where(call, "call", "email"),
            "product": rng.choice(np.array(["card", "loan"]), contacts),
            "age": age,
            "accepted": drawn(-2.0 - 0.7 * tired + 0.02 * (age - 45)),
            "opted_out": drawn(-4.0 + tired + 0.6 * call),
            "complained": drawn(-4.5 + 1.4 * tired + 0.9 * call),
            "complained_before": 0.0,
            RECENT[0]: recent.astype(float),
            RECENT[1]: earlier.astype(float),
            "later_30d": rng.poisson(0.4, contacts).astype(float),
            "later_31_90d": rng.poisson(0.6, contacts).astype(float),
        }
    )


def test_the_law_behind_the_answers_is_found_within_its_interval() -> None:
    found = price_fatigue(lawful(), STAKES, controls=["age"])
    for answer, pull in (("accepted", -0.7), ("opted_out", 1.0), ("complained", 1.4)):
        for span, weight in zip(RECENT, (0.5, 0.25), strict=True):
            slope = found.slopes[answer][span]
            assert slope.point == pytest.approx(pull * weight, abs=3 * slope.error), (answer, span)
            assert (slope.low > 0) == (pull > 0), (answer, span)
    assert found.left_out == {}
    assert found.prices["call"].low > found.prices["email"].high
    assert found.later.low > 0


def test_the_price_is_what_answers_lose_by_one_more_contact() -> None:
    rows = lawful()
    found = price_fatigue(rows, STAKES, controls=["age"])
    tired = 0.5 * rows[RECENT[0]] + 0.25 * rows[RECENT[1]]
    lost = 0.0
    # By the law itself: what each later contact would lose if there had been one more before it.
    for answer, start, pull, worth in (
        ("accepted", -2.0 + 0.02 * (rows["age"] - 45), -0.7, -50.0),
        ("opted_out", -4.0 + 0.6 * (rows["channel"] == "call"), 1.0, 80.0),
        ("complained", -4.5 + 0.9 * (rows["channel"] == "call"), 1.4, 20.0),
    ):
        assert answer in found.slopes
        for weight, number in ((0.5, 0.4), (0.25, 0.6)):
            one_more = expit(start + pull * (tired + weight)) - expit(start + pull * tired)
            lost += worth * number * one_more.mean()
    assert found.later.point == pytest.approx(lost, rel=0.3)
    email = rows[rows["channel"] == "email"]
    own = 80 * email["opted_out"].mean() + 20 * email["complained"].mean()
    assert found.own["email"].point == pytest.approx(own)
    assert found.prices["email"].point == pytest.approx(own + found.later.point)


def test_the_price_is_in_the_stakes_unit() -> None:
    rows = lawful(8_000)
    cents = Stakes(5_000.0, 8_000.0, 2_000.0)
    one, other = price_fatigue(rows, STAKES), price_fatigue(rows, cents)
    assert other.prices["call"] == pytest.approx([100 * v for v in one.prices["call"]])


def test_what_hardly_ever_happened_has_no_slope_and_says_so() -> None:
    rows = lawful(8_000)
    rows.loc[rows.index[rows["complained"] == 1][5:], "complained"] = 0.0
    found = price_fatigue(rows, STAKES)
    assert found.left_out == {"complained": "5 of 8000 contacts, 30 needed"}
    assert set(found.slopes) == {"accepted", "opted_out"}
    with pytest.raises(RefusedError, match="stated price of a contact"):
        price_fatigue(rows.assign(opted_out=0.0), STAKES)


def test_what_cannot_be_priced_is_refused() -> None:
    rows = lawful(500)
    with pytest.raises(InputError, match="no column 'wealth'"):
        price_fatigue(rows, STAKES, controls=["wealth"])
    with pytest.raises(InputError, match="'age' is missing somewhere"):
        price_fatigue(rows.assign(age=np.nan), STAKES, controls=["age"])
    with pytest.raises(InputError, match="stake is negative"):
        price_fatigue(rows, Stakes(-1.0, 1.0, 1.0))


def test_the_simulated_banks_fatigue_is_found(bank: Home) -> None:
    """There a contact adds 0.5 to the log-odds of opting out, and fades by a quarter a month."""
    table = pd.read_parquet(bank.history / "interactions.parquet")
    rows = contact_rows(table[table["known_until"].isna()])
    rows = rows[rows["at"] < rows["at"].max() - pd.Timedelta(days=90)]
    found = price_fatigue(rows, STAKES)
    slopes = found.slopes["opted_out"]
    for span, law in zip(RECENT, (0.5 * 0.75, 0.5 * 0.75**2.5), strict=True):
        assert slopes[span].low < law < slopes[span].high
    assert found.prices["call"].point > found.prices["app"].point > 0

"""The price of one more contact: by hand, from a known law, and from the simulated bank."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from features.errors import InputError, RefusedError
from features.home import Home
from training.uplift.contacts import asked_share
from training.uplift.fatigue import RECENT, Stakes, contact_rows, price_fatigue
from training.uplift.responses import OUTCOME, PRODUCT, TREATED

STAKES = Stakes(opted_out=80.0, complained=20.0)
LAW = (0.5, 0.25, 0.1)
"""How much a contact of each span tires, and"""
OFTEN = (0.4, 0.6, 0.8)
"""how many there are of each, before and after."""


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
                *(met("A", day) for day in (0, 170, 190, 220, 275)),
                met("A", 187, "complaint"),
                met("A", 221, "complaint"),
                met("A", 221.5, "complaint"),
                met("B", 191, response="accepted"),
                met("B", 218, response="opted_out"),
                met("C", 220, "complaint"),
            ]
        )
    )
    told = rows.set_index(["customer_id", rows["at"].dt.dayofyear - 1])
    assert list(told.index) == [("A", 190), ("A", 220), ("A", 275), ("B", 191), ("B", 218)]
    assert told["contacts_30d"].tolist() == [1, 1, 0, 0, 1]
    assert told["contacts_31_90d"].tolist() == [0, 1, 2, 0, 0]
    assert told["contacts_91_180d"].tolist() == [0, 0, 1, 0, 0]
    assert told["later_30d"].tolist() == [0, 0, 0, 1, 0]
    assert told["later_31_90d"].tolist() == [2, 1, 0, 0, 0]
    assert told["later_91_180d"].tolist() == [0, 0, 0, 0, 0]
    assert told["complained"].tolist() == [0, 1, 0, 0, 0]
    assert told["complained_before"].tolist() == [1, 0, 0, 0, 0]
    assert told["accepted"].tolist() == [0, 0, 0, 1, 0]
    assert told["opted_out"].tolist() == [0, 0, 0, 0, 1]


def lawful(contacts: int = 60_000, seed: int = 0) -> pd.DataFrame:
    """Contacts whose answers follow a stated law of what came before."""
    rng = np.random.default_rng(seed)
    before, after = (np.column_stack([rng.poisson(n, contacts) for n in OFTEN]) for _ in range(2))
    age = rng.normal(45, 15, contacts)
    call = rng.random(contacts) < 0.3
    tired = before @ np.array(LAW)

    def drawn(odds: np.ndarray) -> np.ndarray:
        return (rng.random(contacts) < expit(odds)).astype(float)

    return pd.DataFrame(
        {
            "customer_id": rng.integers(0, contacts // 4, contacts).astype(str),
            "at": pd.Timestamp("2025-01-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 900, contacts), "D"),
            "channel": np.where(call, "call", "email"),
            "product": rng.choice(np.array(["card", "loan"]), contacts),
            "age": age,
            "accepted": drawn(-2.0 - 0.7 * tired + 0.02 * (age - 45)),
            "opted_out": drawn(-4.0 + tired + 0.6 * call),
            "complained": drawn(-4.5 + 1.4 * tired + 0.9 * call),
            "complained_before": 0.0,
            **{name: before[:, place].astype(float) for place, name in enumerate(RECENT)},
            **{f"later_{name[9:]}": after[:, place].astype(float) for place, name in enumerate(RECENT)},
        }
    )


def test_the_law_behind_the_answers_is_found_within_its_interval() -> None:
    found = price_fatigue(lawful(), STAKES, controls=["age"])
    for answer, pull in (("accepted", -0.7), ("opted_out", 1.0), ("complained", 1.4)):
        for span, weight in zip(RECENT, LAW, strict=True):
            slope = found.slopes[answer][span]
            assert slope.point == pytest.approx(pull * weight, abs=3 * slope.error), (answer, span)
            assert (slope.point > 0) == (pull > 0), (answer, span)
    assert found.left_out == {}
    assert found.prices["call"].low > found.prices["email"].high
    assert found.later.low > 0
    assert found.weaker.point == pytest.approx(0.7 * np.dot(LAW, OFTEN), abs=3 * found.weaker.error)
    assert found.weaker.low > 0


def test_the_price_is_what_answers_lose_by_one_more_contact() -> None:
    rows = lawful()
    found = price_fatigue(rows, STAKES, controls=["age"])
    tired = rows[list(RECENT)].to_numpy() @ np.array(LAW)
    lost = 0.0
    # By the law itself: what each later contact would lose if there had been one more before it.
    for answer, start, pull, worth in (
        ("opted_out", -4.0 + 0.6 * (rows["channel"] == "call"), 1.0, 80.0),
        ("complained", -4.5 + 0.9 * (rows["channel"] == "call"), 1.4, 20.0),
    ):
        assert answer in found.slopes
        for weight, number in zip(LAW, OFTEN, strict=True):
            one_more = expit(start + pull * (tired + weight)) - expit(start + pull * tired)
            lost += worth * number * one_more.mean()
    assert found.later.point == pytest.approx(lost, rel=0.3)
    email = rows[rows["channel"] == "email"]
    own = 80 * email["opted_out"].mean() + 20 * email["complained"].mean()
    assert found.own["email"].point == pytest.approx(own)
    assert found.prices["email"].point == pytest.approx(own + found.later.point)


def test_the_price_is_in_the_stakes_unit() -> None:
    rows = lawful(8_000)
    cents = Stakes(8_000.0, 2_000.0)
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
        price_fatigue(rows, Stakes(-1.0, 1.0))


def test_the_simulated_banks_fatigue_is_found(bank: Home) -> None:
    """There a contact adds 0.5 to the log-odds of opting out, and fades by a quarter a month."""
    table = pd.read_parquet(bank.history / "interactions.parquet")
    rows = contact_rows(table[table["known_until"].isna()])
    rows = rows[rows["at"] < rows["at"].max() - pd.Timedelta(days=180)]
    found = price_fatigue(rows, STAKES)
    slopes = found.slopes["opted_out"]
    for span, law in zip(RECENT, (0.5 * 0.75, 0.5 * 0.75**2.5, 0.5 * 0.75**4.5), strict=True):
        assert slopes[span].low < law < slopes[span].high
    assert found.prices["call"].point > found.prices["app"].point > 0


def test_the_weary_still_take_up_what_they_would_have_unasked() -> None:
    met = pd.DataFrame(
        {"product": ["card"] * 8 + ["current_account"] * 2, "accepted": [1.0] + [0.0] * 7 + [1.0] * 2}
    )
    examples = pd.DataFrame({PRODUCT: "card", TREATED: [1.0] * 4 + [0.0] * 4, OUTCOME: [1.0] + [0.0] * 7})
    assert asked_share(met, examples) == 0.5
    assert asked_share(met, examples.assign(**{OUTCOME: 0.0})) == 1.0
    assert asked_share(met.assign(accepted=1.0), examples) == 1.0


def test_the_price_is_the_same_to_the_bit_whatever_the_order_of_rows() -> None:
    rng = np.random.default_rng(3)
    words = {"channel": ("app", "call", "email"), "response": ("none", "accepted", "opted_out")}
    rows = pd.DataFrame(
        [
            met(f"C{n % 700:03d}", int(rng.integers(0, 400)), "complaint" if n % 9 == 0 else "campaign")
            | {name: str(rng.choice(of)) for name, of in words.items()}
            for n in range(6_000)
        ]
    )
    once = price_fatigue(contact_rows(rows), STAKES)
    for seed in range(3):
        again = price_fatigue(contact_rows(rows.sample(frac=1.0, random_state=seed)), STAKES)
        assert again == once

"""Off-policy estimates held to the simulator's truth, to laws, and to the logs of a real experiment."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import InputError, RefusedError
from features.settings import read_settings
from features.simulate import simulate
from training.artifact import Matrix
from training.uplift.off_policy import LoggedActions, doubly_robust, ips, logged_actions, overlap, snips

SAMPLES = read_settings().sample_data
BANDIT = SAMPLES / "open_bandit" if SAMPLES else None
needs_bandit = pytest.mark.skipif(
    BANDIT is None or not BANDIT.is_dir(),
    reason="TENURE_SAMPLE_DATA does not name a folder with open_bandit/",
)
RUNS, ROWS = 200, 8_000


@pytest.fixture(scope="module")
def potential(tmp_path_factory: pytest.TempPathFactory) -> tuple[Matrix, Matrix]:
    """P(takes up) and margin of a card, a savings account and insurance by e-mail, (customers, offers)."""
    home, end = tmp_path_factory.mktemp("potential"), datetime(2026, 1, 1, tzinfo=UTC)
    size = {"customers": 2_000, "months": 2, "seed": 5, "end": end}
    simulate(home / "history", home / "truth", **size, tell=lambda _: None)
    table = pd.read_parquet(home / "truth" / "potential.parquet")
    table = table[table["channel"] == "email"]
    offers = ("card", "savings_account", "insurance")
    chance, margin = (
        table.pivot(index="customer_id", columns="product", values=name)[list(offers)]
        for name in ("takeup_contacted", "margin_12m")
    )
    known = chance.notna().all(axis=1)
    # A take-up within half a year, so that a log of thousands holds more than a handful.
    return 1 - (1 - chance[known].to_numpy()) ** 6, margin[known].clip(0, 100).to_numpy()


def softened(score: Matrix, heat: float) -> Matrix:
    """A policy that tries better offers more often, (customers, offers)."""
    z = np.exp(heat * score / score.std())
    policy: Matrix = 0.15 / score.shape[1] + 0.85 * z / z.sum(axis=1, keepdims=True)
    return policy


def test_intervals_hold_the_true_value_of_other_policies(potential: tuple[Matrix, Matrix]) -> None:
    chance, margin = potential
    worth = chance * margin
    logging = softened(chance, 0.7)
    best = np.eye(3)[worth.argmax(axis=1)]
    targets = {"uniform": np.full_like(worth, 1 / 3), "best": best, "greedier": softened(worth, 2.0)}
    poor_model = np.broadcast_to(worth.mean(axis=0), worth.shape)
    rng, hits = np.random.default_rng(11), {}
    for _ in range(RUNS):
        who = rng.integers(0, len(worth), ROWS)
        action = (rng.random(ROWS)[:, None] > logging[who].cumsum(axis=1)).sum(axis=1)
        reward = margin[who, action] * (rng.random(ROWS) < chance[who, action])
        for name, target in targets.items():
            truth = float((target * worth).sum(axis=1).mean())
            log = LoggedActions(reward, logging[who, action], target[who, action])
            direct = poor_model[who, action], (target * poor_model).sum(axis=1)[who]
            for found in (ips(log), snips(log), doubly_robust(log, *direct)):
                inside = found.value.low <= truth <= found.value.high
                hits.setdefault((name, found.method), []).append(inside)
    shares = {key: float(np.mean(inside)) for key, inside in hits.items()}
    assert len(shares) == 9
    assert min(shares.values()) >= 0.9, shares


def made_log(seed: int, rows: int = 500) -> tuple[Matrix, Matrix, Matrix]:
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, rows), rng.uniform(0.1, 0.9, rows), rng.uniform(0, 1, rows)


def ids(rows: int) -> list[str]:
    return [f"D{i}" for i in range(rows)]


@given(st.integers(0, 100), st.floats(0.01, 1e4))
@settings(max_examples=30, deadline=None)
def test_estimates_are_in_the_rewards_unit(seed: int, unit: float) -> None:
    reward, logged, target = made_log(seed)
    one, other = (LoggedActions(r, logged, target) for r in (reward, unit * reward))
    for estimator in (ips, snips):
        assert estimator(other).value == pytest.approx([unit * v for v in estimator(one).value], rel=1e-9)


@given(st.integers(0, 100), st.floats(-50, 50))
@settings(max_examples=30, deadline=None)
def test_the_self_normalised_estimate_moves_with_the_rewards(seed: int, shift: float) -> None:
    reward, logged, target = made_log(seed)
    one, other = (snips(LoggedActions(r, logged, target)).value for r in (reward, reward + shift))
    assert other == pytest.approx([v + shift for v in one], rel=1e-6, abs=1e-8)


def test_the_logging_policy_itself_is_worth_its_mean() -> None:
    reward, logged, _ = made_log(1)
    log = logged_actions(ids(len(reward)), reward, logged, logged)
    mean, error = reward.mean(), reward.std(ddof=1) / len(reward) ** 0.5
    for found in (ips(log), snips(log), doubly_robust(log, np.zeros(len(reward)), np.zeros(len(reward)))):
        assert found.value.point == pytest.approx(mean)
        assert found.value.error == pytest.approx(error)
        assert found.cautions == ()
    assert overlap(log).effective_rows == pytest.approx(len(reward))


def test_the_estimates_are_right_on_average() -> None:
    """Two actions worth 1 and 3, logged 0.8 to 0.2; the target takes the second with 0.6."""
    rng, found = np.random.default_rng(3), {"IPS": [], "SNIPS": [], "DR": []}
    for _ in range(400):
        second = rng.random(400) < 0.2
        reward = np.where(second, 3.0, 1.0) + rng.normal(0, 1, 400)
        log = LoggedActions(reward, np.where(second, 0.2, 0.8), np.where(second, 0.6, 0.4))
        model = np.where(second, 2.0, 2.0), np.full(400, 2.0)
        for result in (ips(log), snips(log), doubly_robust(log, *model)):
            found[result.method].append(result.value.point)
    for values in found.values():
        assert np.mean(values) == pytest.approx(0.6 * 3 + 0.4, abs=0.03)


def test_a_model_that_knows_narrows_the_interval() -> None:
    rng = np.random.default_rng(5)
    x, logged = rng.normal(size=4_000), rng.uniform(0.2, 0.8, 4_000)
    reward = 5 * x + rng.normal(size=4_000)
    log = LoggedActions(reward, logged, 1 - logged)
    assert doubly_robust(log, 5 * x, 5 * x).value.error < 0.8 * ips(log).value.error


def test_rows_of_one_customer_are_not_independent() -> None:
    reward, logged, target = (np.repeat(a, 4) for a in made_log(2))
    customers = np.repeat(np.arange(len(reward) // 4), 4)
    alone, told = (LoggedActions(reward, logged, target, c) for c in (None, customers))
    assert snips(told).value.error == pytest.approx(2 * snips(alone).value.error, rel=0.01)


def test_a_log_that_hardly_tried_it_says_so_in_words() -> None:
    reward, logged = np.ones(1_000), np.full(1_000, 0.9)
    logged[:3], target = 0.01, np.zeros(1_000)
    target[:3] = 1.0
    found = snips(logged_actions(ids(1_000), reward, logged, target))
    assert found.overlap.effective_rows == pytest.approx(3)
    assert "tell as much as 3 of the policy itself" in found.cautions[0]
    assert any("33% of all weight" in said for said in found.cautions)


def test_probabilities_that_cannot_be_right_are_noticed() -> None:
    rng = np.random.default_rng(1)
    taken = rng.random(20_000) < 0.5
    logged, target = np.full(20_000, 0.25), np.where(taken, 1.0, 0.0)
    said = ips(LoggedActions(rng.random(20_000), logged, target)).cautions
    assert any("on average, not 1" in s for s in said)


@pytest.mark.parametrize("wrong", [0.0, -0.1, 1.2, np.nan])
def test_a_probability_that_is_none_is_refused_by_id(wrong: float) -> None:
    reward, logged, target = made_log(1)
    logged[[3, 5]] = wrong
    with pytest.raises(InputError, match=r"logged probability .*: D3, D5; cure:"):
        logged_actions(ids(len(reward)), reward, logged, target)
    target[7], logged[[3, 5]] = 1.5, 0.5
    with pytest.raises(InputError, match=r"target probability .*: D7"):
        logged_actions(ids(len(reward)), reward, logged, target)


def test_a_policy_that_would_do_nothing_of_it_cannot_be_judged() -> None:
    reward, logged, _ = made_log(1)
    with pytest.raises(RefusedError, match="none of 500 logged actions"):
        logged_actions(ids(500), reward, logged, np.zeros(500))
    with pytest.raises(InputError, match="differ in length"):
        logged_actions(ids(499), reward, logged, logged)


@needs_bandit
def test_a_bandits_log_tells_what_a_random_policy_earned_beside_it() -> None:
    bandit, random = (pd.read_parquet(BANDIT / f"{name}_all.parquet") for name in ("bts", "random"))
    rows = len(bandit)
    click, logged = (bandit[c].to_numpy(dtype=float) for c in ("click", "propensity_score"))
    log = logged_actions(ids(rows), click, logged, np.full(rows, 1 / random["item_id"].nunique()))
    rate = np.full(rows, click.mean())
    for found in (ips(log), snips(log), doubly_robust(log, rate, rate)):
        assert found.value.low <= random["click"].mean() <= found.value.high
        assert found.overlap.mean_weight.low < 1 < found.overlap.mean_weight.high
        assert 100 < found.overlap.effective_rows < rows / 10

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.history.running import order_within_days


def _links(amount: list[int], balance: list[int]) -> int:
    return sum(balance[i] - amount[i] == balance[i - 1] for i in range(1, len(amount)))


@given(st.data(), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_a_shuffled_day_gets_back_an_order_that_adds_up(data, sizes: list[int]) -> None:
    # Distinct powers of two as amounts: no two sums agree, so the true order is the only one.
    n = sum(sizes)
    amount = [2**i * (-1) ** i for i in range(n)]
    balance = np.cumsum(amount).tolist()
    day = np.repeat(np.arange(len(sizes)), sizes)
    shuffled: list[int] = []
    for nth in range(len(sizes)):
        shuffled += data.draw(st.permutations(np.flatnonzero(day == nth).tolist()))
    a, b = np.array(amount)[shuffled], np.array(balance)[shuffled]
    position = order_within_days(np.ones(n, np.int64), day, a, b)
    order = np.lexsort((position, day))
    assert a[order].tolist() == amount


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-3, 3), st.integers(-3, 3)), max_size=12
    )
)
def test_positions_count_up_within_each_account_and_day(rows: list[tuple[int, int, int, int]]) -> None:
    rows.sort(key=lambda r: r[:2])
    account, day, amount, balance = np.array(rows, np.int64).reshape(-1, 4).T
    position = order_within_days(account, day, amount, balance)
    for key in {r[:2] for r in rows}:
        here = position[(account == key[0]) & (day == key[1])]
        assert sorted(here.tolist()) == list(range(len(here)))


def test_a_day_without_any_link_keeps_its_order() -> None:
    one = np.ones(3, np.int64)
    assert order_within_days(one, one, np.array([1, 2, 3]), np.array([10, 20, 40])).tolist() == [0, 1, 2]

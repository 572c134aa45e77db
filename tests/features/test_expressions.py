"""Conditions in a marketer's words: checked against the features, evaluated on columns, never run."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import load_catalogue, terms_of
from features.errors import ConfigError, InputError
from features.selling.contradictions import satisfiable
from features.selling.expressions import Facts
from features.selling.parsing import parse_expression

CATALOGUE = load_catalogue(Path(__file__).parents[2] / "features" / "catalogue.toml")
TERMS = terms_of(CATALOGUE)


def parsed(text: str) -> Any:
    return parse_expression(text, TERMS, "catalogue.toml: segment 's': where")


def holds(text: str, **columns: list[Any]) -> list[bool]:
    return parsed(text).holds(Facts(columns)).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("age_years >= 40", [False, True, False]),
        ("18 <= age_years < 41", [True, True, False]),
        ("40 > age_years", [True, False, False]),
        ("age_years in (30, 31)", [True, False, False]),
        ("age_years not in [30]", [False, True, False]),
        ("not age_years == 30", [False, True, False]),
        ("age_years != 30", [False, True, False]),
        ('kind == "business" or age_years > 35', [False, True, True]),
        ('not (kind == "business" and age_years > 35)', [True, True, False]),
        ('region in ("north", "south")', [True, False, False]),
        ('region not in ["north"]', [False, True, False]),
        ('region != "north"', [False, True, False]),
    ],
)
def test_what_is_not_known_is_not_true(text: str, expected: list[bool]) -> None:
    columns = {
        "age_years": [30, 40, None],
        "kind": ["person", "person", "business"],
        "region": ["north", "west", None],
    }
    assert holds(text, **columns) == expected


@pytest.mark.parametrize(
    "word", ["'; DROP TABLE customers; --", '""" or True or """', "nor%", "n_rth", "*", "\\"]
)
def test_a_word_with_quotes_comments_or_wildcards_is_that_word_and_nothing_else(word: str) -> None:
    words = ["north", word, word.upper() + "x", None]
    assert holds(f"region == {word!r}", region=words) == [False, True, False, False]
    assert holds(f"region in ({word!r}, 'south')", region=words) == [False, True, False, False]


def test_a_huge_list_of_words_is_refused() -> None:
    with pytest.raises(ConfigError, match="longer than 500 characters"):
        parsed(f"region in ({', '.join(repr(f'place {n}') for n in range(10_000))})")


def test_money_is_written_in_major_units() -> None:
    assert holds("balance_total >= 0.29", balance_total=[28, 29, None]) == [False, True, False]
    assert holds("-10.5 <= balance_total < 0", balance_total=[-1050, -1051, 0]) == [True, False, False]


@pytest.mark.parametrize("kind", ["list", "array", "nullable", "object"])
def test_columns_may_come_as_lists_arrays_or_series(kind: str) -> None:
    ages, regions = [17, None, 64], ["north", None, "south"]
    columns: dict[str, Any] = {"age_years": ages, "region": regions}
    if kind == "array":
        columns = {"age_years": np.array([17, np.nan, 64]), "region": np.array(regions, dtype=object)}
    if kind == "nullable":
        columns = {
            "age_years": pd.Series(ages, dtype="Int64"),
            "region": pd.Series(regions, dtype="string"),
        }
    if kind == "object":
        columns = {
            "age_years": pd.Series([17, np.nan, 64]),
            "region": pd.Series(["north", np.nan, "south"]),
        }
    expression = parsed('age_years < 18 or region == "south"')
    assert expression.holds(Facts(columns)).tolist() == [True, False, True]


def test_the_empty_expression_is_true_of_everybody() -> None:
    assert holds("", age_years=[None, 1]) == [True, True]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(InputError, match="column 'region' is missing"):
        holds('region == "north"', age_years=[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age_year >= 18", "unknown feature 'age_year'; cure: did you mean 'age_years'?"),
        ('gender == "female"', "gender is a protected attribute; cure: leave it out"),
        ('age_years == "old"', "age_years is a number; cure: compare it with a number"),
        ("region == 3", 'region is a text; cure: compare it with a word in "quotes"'),
        ('region < "north"', "region is a text; cure: compare it by ==, != or in"),
        ('kind == "persn"', "kind is never 'persn'; cure: did you mean 'person'?"),
        ("age_years >=", "is no expression"),
        ("((((", "is no expression"),
        ("age_years\x00 > 1", "is no expression"),
        ("age_years", "is no comparison"),
        ("age_years + 1 > 3", "compares one feature with a number or a word"),
        ("age_years < tenure_days", "compares one feature with a number or a word"),
        ("1 < 2", "compares one feature with a number or a word"),
        ("age_years == True", "compares one feature with a number or a word"),
        ("age_years is None", "compares by <, <=, >, >=, ==, !=, in and not in only"),
        ("age_years < 1e999", "compares one feature with a number or a word"),
        ("age_years in 5", 'after "in" stands a list'),
        ("age_years in ()", 'after "in" stands a list'),
        ("__import__('os').system('true')", "is no comparison"),
        ("age_years.__class__ == 1", "compares one feature"),
        ("[x for x in (1, 2)]", "is no comparison"),
        ("(lambda: 1)() == 1", "compares one feature"),
        ('f"{age_years}" == "1"', "compares one feature"),
        ("age_years > 1 " * 60, "longer than 500 characters"),
    ],
)
def test_anything_else_is_refused_with_file_key_cause_and_cure(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    said = str(caught.value)
    assert said.startswith("catalogue.toml: segment 's': where")
    assert message in said and "cure:" in said


@pytest.mark.parametrize(
    ("texts", "possible"),
    [
        (("age_years > 60 and age_years < 18",), False),
        (("17 < age_years < 18",), False),
        (("age_years < 0",), False),
        (("has_manager == 1 and not has_manager == 1",), False),
        (("has_manager not in (0, 1)",), False),
        (('kind != "person" and kind != "business"',), False),
        (('region == "north" and region == "south"',), False),
        (("churn > 1",), False),
        (("age_years >= 18", "age_years < 18"), False),
        (("0.2 < churn < 0.3",), True),
        (("0 < balance_total < 0.02",), True),
        (("0 < balance_total < 0.01",), False),
        (('region != "north"',), True),
        (("age_years >= 18", 'kind == "business"'), True),
        (("",), True),
    ],
)
def test_a_contradiction_is_found_without_looking_at_a_customer(
    texts: tuple[str, ...], possible: bool
) -> None:
    assert satisfiable(*map(parsed, texts)) is possible


_ATOMS = st.sampled_from(
    ["age_years < 30", "age_years >= 50", "age_years != 40", 'region == "north"', 'region in ("south",)']
)
_TREES = st.recursive(
    _ATOMS,
    lambda part: st.one_of(
        part.map(lambda a: f"not ({a})"),
        st.tuples(part, st.sampled_from(["and", "or"]), part).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
    ),
    max_leaves=6,
)


def _by_hand(text: str, age: int | None, region: str | None) -> bool | None:
    """Kleene's logic on one customer, by Python's own parse of the text."""
    import ast

    def value(node: ast.expr) -> bool | None:
        if isinstance(node, ast.BoolOp):
            parts = [value(part) for part in node.values]
            ends = not isinstance(node.op, ast.And)
            return ends if ends in parts else None if None in parts else not ends
        if isinstance(node, ast.UnaryOp):
            part = value(node.operand)
            return None if part is None else not part
        name = node.left.id  # type: ignore[attr-defined]
        known = {"age_years": age, "region": region}[name]
        return None if known is None else bool(eval(ast.unparse(node), {name: known}))

    return value(ast.parse(text, mode="eval").body)


@settings(deadline=None, max_examples=60)
@given(_TREES)
def test_whole_columns_are_judged_as_each_customer_by_hand(text: str) -> None:
    if len(text) > 500:
        return
    people = [(age, region) for age in (20, 40, 60, None) for region in ("north", "south", "west", None)]
    found = holds(text, age_years=[a for a, _ in people], region=[r for _, r in people])
    assert found == [_by_hand(text, age, region) is True for age, region in people]
    if any(found):
        assert satisfiable(parsed(text))

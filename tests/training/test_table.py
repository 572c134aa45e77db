import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from features.errors import InputError, RefusedError
from features.home import Home
from features.settings import read_settings
from serving.cli.console import Shell, on_home
from serving.cli.tables import table_options, train_on_table, tuning_options
from training.artifact import load_model
from training.tables.model import Request, TableResult, train_table
from training.tables.table import Columns, Table, read_table
from training.tune import Budget

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = Columns("client", "seen", "left")


def finished(clients: int = 700, times: int = 5, seed: int = 0) -> pd.DataFrame:
    """Clients at monthly times with a risk that two numbers and a word tell in part."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=clients)
    parts = []
    for k in range(times):
        region = np.where(risk + rng.normal(size=clients) > 0, "north", "south")
        happened = rng.random(clients) < 1 / (1 + np.exp(1.5 - 1.6 * risk))
        parts.append(
            pd.DataFrame(
                {
                    "client": [f"K{i:05d}" for i in range(clients)],
                    "seen": pd.Timestamp("2025-01-01", tz="UTC") + pd.Timedelta(days=30 * k),
                    "balance": np.round(1000 * np.exp(0.3 * rng.normal(size=clients) - 0.6 * risk)),
                    "paid: 1, 2": rng.poisson(np.exp(1 - 0.5 * risk)),
                    "region": np.where(rng.random(clients) < 0.1, None, region),
                    "left": happened.astype(int),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def read(path: Path, columns: Columns = COLUMNS) -> Table:
    return read_table(path, columns, now=NOW, settings=read_settings({}), tell=lambda _: None)


def saved(folder: Path, frame: pd.DataFrame) -> Path:
    path = folder / "table.parquet"
    frame.to_parquet(path)
    return path


def train(home: Path, path: Path, columns: Columns = COLUMNS, **more) -> TableResult:
    request = Request(path, columns, **{"name": "leads", **more})
    return train_table(
        Home(home), request, now=NOW, settings=read_settings({}), seed=7, tell=lambda _: None
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TableResult]:
    folder = tmp_path_factory.mktemp("table")
    frame = finished().assign(same=3.0, nothing=np.nan, name=[f"n{i}" for i in range(3500)])
    path = saved(folder, frame)
    return path, train(folder / "home", path)


def test_a_table_becomes_a_sealed_model_and_a_report(made: tuple[Path, TableResult]) -> None:
    _, result = made
    model = load_model(result.folder / "model", result.sha256)
    assert [f.name for f in model.features] == ["balance", "paid: 1, 2", "region"]
    assert model.definition == "left"
    assert result.folder.parts[-3:] == ("artifacts", "tables", "leads")
    assert {p.name for p in result.folder.iterdir()} == {"model", "report.json"}
    report = json.loads((result.folder / "report.json").read_text())
    assert report["metrics"]["auc"] == result.metrics["auc"] > 0.7
    assert report["artifact_sha256"] == result.sha256
    page = result.page.read_text(encoding="utf-8")
    assert result.page.parent.name == "reports" and result.page.name == f"leads-{result.sha256[:12]}.html"
    assert "same: the same value in every row" in page and "The gates pass it." in page
    for words in ("Learned from", "later", "logistic regression", "Calibration", "keep their first reason"):
        assert words in page
    assert result.verdict.promote, result.verdict.reasons


def test_columns_that_say_nothing_are_left_out_and_told(made: tuple[Path, TableResult]) -> None:
    _, result = made
    assert result.left_out == {
        "same": "the same value in every row",
        "nothing": "no value in any row",
        "name": "3,500 different words, which name rows rather than kinds",
    }


def test_the_test_lies_after_everything_that_was_learned_from(made: tuple[Path, TableResult]) -> None:
    _, result = made
    training = json.loads((result.folder / "report.json").read_text())["training"]
    assert max(training["snapshots"]) < min(training["test_snapshots"])
    assert result.rows["test"] == 700
    assert 0.1 < result.rows["calibrate"] / (result.rows["train"] + result.rows["calibrate"]) < 0.3


def test_the_same_table_gives_the_same_bytes_in_any_order_of_rows(made, tmp_path: Path) -> None:
    path, result = made
    turned = saved(tmp_path, pd.read_parquet(path).sample(frac=1, random_state=1))
    other = train(tmp_path / "h", turned)
    assert other.left_out.pop("__index_level_0__") == "the row numbers that pandas wrote"
    assert other.left_out == result.left_out
    one, two = (load_model(r.folder / "model", r.sha256) for r in (result, other))
    assert one.heads[0].booster.model_to_string() == two.heads[0].booster.model_to_string()
    assert one.heads[0].calibration == two.heads[0].calibration
    again = train(tmp_path / "again", path)
    assert again.sha256 == result.sha256


def test_csv_and_parquet_of_one_table_read_alike(tmp_path: Path) -> None:
    frame = finished(clients=60)
    parquet = read(saved(tmp_path, frame))
    frame.to_csv(tmp_path / "table.csv", index=False)
    csv = read(tmp_path / "table.csv")
    one, two = (
        t.examples.frame.assign(region=t.examples.frame.region.astype(object)) for t in (parquet, csv)
    )
    pd.testing.assert_frame_equal(one, two, check_dtype=False)
    assert parquet.examples.fields == csv.examples.fields


def test_numbers_keep_their_value_and_an_excluded_column_is_no_feature(tmp_path: Path) -> None:
    frame = finished(clients=40).astype({"paid: 1, 2": "int16"})
    frame["large"] = np.arange(len(frame)) + 2**40
    table = read(saved(tmp_path, frame), Columns("client", "seen", "left", ("balance",)))
    held = table.examples.frame
    assert [f.name for f in table.examples.fields] == ["paid: 1, 2", "region", "large"]
    assert (held["large"] == frame["large"]).all()
    assert held["paid: 1, 2"].dtype == np.float32
    assert (held["paid: 1, 2"] == frame["paid: 1, 2"]).all()


def test_tuning_and_signs_reach_the_model(tmp_path: Path) -> None:
    path = saved(tmp_path, finished(clients=400))
    result = train(tmp_path / "home", path, budget=Budget(trials=2), signs={"balance": -1}, horizon_days=30)
    assert result.tuned is not None
    model = load_model(result.folder / "model", result.sha256)
    assert model.training["params"] == result.tuned.params
    row = {"balance": np.linspace(100, 5000, 50), "paid: 1, 2": [2.0] * 50, "region": ["north"] * 50}
    answers = model.predict(model.matrix(row))["outcome"]
    assert (np.diff(answers) <= 0).all()
    assert answers[0] > answers[-1]


def test_a_time_of_its_own_for_each_row_is_split_as_well(tmp_path: Path) -> None:
    frame = finished(clients=500)
    frame["seen"] = pd.Timestamp("2025-01-01") + pd.to_timedelta(np.arange(len(frame)), unit="h")
    result = train(tmp_path / "home", saved(tmp_path, frame))
    training = json.loads((result.folder / "report.json").read_text())["training"]
    assert len(training["snapshots"]) == 2
    assert result.rows["test"] == 500


def test_a_model_that_the_gates_refuse_is_written_with_the_reasons(tmp_path: Path) -> None:
    frame = finished(clients=400)
    frame["left"] = np.random.default_rng(1).integers(0, 2, len(frame))
    result = train(tmp_path / "home", saved(tmp_path, frame))
    assert not result.verdict.promote
    assert "The gates refuse it" in result.page.read_text(encoding="utf-8")


BROKEN = {
    "an empty label": (
        lambda f: f.assign(left=f.left.where(f.index > 2)),
        r"is empty for ids K00000",
    ),
    "a label beside 0 and 1": (lambda f: f.assign(left=f.left + 1), r"neither 0 nor 1 for ids K"),
    "a label of words": (
        lambda f: f.assign(left=f.left.astype(str) + "x"),
        r"label 'left' holds .*0 for",
    ),
    "one outcome": (lambda f: f.assign(left=0), r"one outcome only"),
    "infinite values": (
        lambda f: f.assign(balance=f.balance.where(f.index != 1, np.inf)),
        r"'balance' is infinite for ids K00001; cure",
    ),
    "a key twice": (lambda f: pd.concat([f, f.iloc[[3]]]), r"two rows of one time: K00003; cure"),
    "a time in the future": (
        lambda f: f.assign(seen=f.seen.where(f.index != 4, pd.Timestamp("2027-01-01", tz="UTC"))),
        r"in the future, for ids K00004; cure",
    ),
    "an empty time": (
        lambda f: f.assign(seen=f.seen.where(f.index != 5)),
        r"is empty for ids K00005",
    ),
    "an empty id": (
        lambda f: f.assign(client=f.client.where(f.index != 6)),
        r"is empty in 1 rows",
    ),
    "a time that is none": (lambda f: f.assign(seen="soon"), r"'seen' holds words, not dates; cure"),
    "a date among the features": (
        lambda f: f.assign(closed=f.seen + pd.Timedelta(days=9)),
        r"columns of dates: 'closed' \(later than 'seen' in 300 rows: known only after\); cure: --exclude",
    ),
    "dates as words": (lambda f: f.assign(born="1980-05-06"), r"'born' holds dates; cure"),
    "lists": (lambda f: f.assign(many=[[1, 2]] * len(f)), r"'many' holds list.*cure: --exclude"),
    "a name that is ours": (lambda f: f.assign(as_of=1.0), r"'as_of'\] are names that Tenure gives; cure"),
    "no feature": (
        lambda f: f[["client", "seen", "left"]],
        r"no column that a model could.*cure",
    ),
    "a missing column": (lambda f: f.drop(columns="left"), r"no column \['left'\]; cure"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_it_is_refused_with_a_cure_and_nothing_is_written(what: str, tmp_path: Path) -> None:
    spoil, message = BROKEN[what]
    path = saved(tmp_path, spoil(finished(clients=60)).reset_index(drop=True))
    with pytest.raises(InputError, match=message) as refused:
        train(tmp_path / "home", path)
    assert "cure" in str(refused.value)
    assert not (tmp_path / "home").exists()


def test_too_few_positives_and_one_time_only_are_refused(tmp_path: Path) -> None:
    frame = finished(clients=300)
    few = frame.assign(left=(frame.index % 100 == 0).astype(int))
    with pytest.raises(RefusedError, match=r"positives in the training rows, 30 needed; cure"):
        train(tmp_path / "home", saved(tmp_path, few))
    once = frame[frame.seen == frame.seen.min()]
    with pytest.raises(RefusedError, match=r"one moment only.*cure"):
        train(tmp_path / "home", saved(tmp_path, once))
    with pytest.raises(RefusedError, match=r"takes 400 days.*cure"):
        train(tmp_path / "home", saved(tmp_path, frame), horizon_days=400)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["churn", "../escape", "Leads", ""])
def test_a_name_that_is_taken_or_no_name_is_refused(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path, finished(clients=40))
    with pytest.raises(InputError, match="cannot name a table's model; cure"):
        train(tmp_path / "home", path, name=name)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(saved(tmp_path, finished(clients=40)).read_bytes()[:500])
    other = tmp_path / "table.xlsx"
    other.write_bytes(b"PK")
    for path in (broken, other, tmp_path / "absent.csv"):
        with pytest.raises(InputError, match="cure"):
            read(path)


def test_one_column_for_two_things_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, finished(clients=40))
    for columns in (Columns("client", "seen", "seen"), Columns("client", "seen", "left", ("left",))):
        with pytest.raises(InputError, match="twice; cure"):
            read(path, columns)


def test_words_in_a_dictionary_and_decimals_are_read(tmp_path: Path) -> None:
    frame = finished(clients=40)
    table = pa.table(
        {
            "client": pa.array(frame.client).dictionary_encode(),
            "seen": pa.array(frame.seen),
            "kind": pa.array(["a", "", None, "b"] * 50).dictionary_encode(),
            "sum": pa.array([Decimal(n) for n in range(200)], pa.decimal128(12, 2)),
            "flag": pa.array([True, False] * 100),
            "left": pa.array(frame.left == 1),
        }
    )
    pq.write_table(table, tmp_path / "table.parquet", row_group_size=64)
    held = read(tmp_path / "table.parquet").examples.frame
    assert held["kind"].isna().sum() == 100
    assert set(held["kind"].dropna()) == {"a", "b"}
    assert held["sum"].tolist() == list(range(200))
    assert held["flag"].sum() == 100
    assert held["outcome"].sum() == frame.left.sum()


@click.command()
@tuning_options
@table_options
@on_home
def verb(shell: Shell, budget: Budget | None, table: Request | None) -> None:
    """A verb that takes a table and nothing else."""
    if table is not None:
        train_on_table(shell, table, seed=7, budget=budget)


def run(*words: str) -> Result:
    return CliRunner().invoke(verb, [*words])


def test_the_options_of_a_table_make_the_same_model(made: tuple[Path, TableResult], tmp_path: Path) -> None:
    path, result = made
    words = ("--table", str(path), "--id", "client", "--time", "seen", "--label", "left", "--name", "leads")
    done = run(*words, "--home", str(tmp_path / "home"), "--json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["sha256"] == result.sha256
    assert answer["left_out"] == result.left_out
    told = run(*words, "--home", str(tmp_path / "other"), "--falling", "balance", "--tune-trials", "1")
    assert told.exit_code == 0, told.stderr
    assert "the gates pass it" in told.stdout
    assert str(tmp_path / "other" / "artifacts" / "tables" / "leads") in told.stdout


def test_half_a_table_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    alone = run("--home", str(tmp_path), "--id", "client")
    half = run("--home", str(tmp_path), "--table", "t.parquet", "--id", "client")
    both = ("--table", "t.parquet", "--id", "a", "--time", "b", "--label", "c", "--name", "d")
    torn = run("--home", str(tmp_path), *both, "--rising", "x", "--falling", "x")
    assert [r.exit_code for r in (alone, half, torn)] == [2, 2, 2]
    assert "belong to --table" in alone.stderr
    assert "needs --time, --label, --name as well" in half.stderr
    assert "cannot both rise and fall" in torn.stderr

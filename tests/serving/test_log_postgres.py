"""What only a server can do to the decision log, and that its numbers are those of a file."""

import socket
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import psycopg
import pytest

from features.database.address import Address
from features.errors import ConfigError, NotReadyError, RefusedError, TenureError
from features.home import Home
from features.settings import read_settings
from serving.log.decisions import log_session, open_log, read_decisions, record_decisions
from serving.log.outcomes import Outcome, record_outcomes
from serving.log.writer import Writer
from serving.results.campaigns import earned_by_arm, earned_by_campaign
from serving.results.followed import followed
from tests.postgres import Server, postgres_server
from tests.serving.test_decisions import ONE, TWO
from training.uplift.decision_log import without_decided

DECIDED = datetime(2026, 1, 2, tzinfo=UTC)


def _filled(place):
    """Forty decisions, and outcomes of all kinds from a month before them to half a year after."""
    record_decisions(
        place,
        [
            replace(of, decision_id=f"L1:C{n}", customer_id=f"C{n}", rank=n, value=None if n % 3 else n / 7)
            for n in range(40)
            for of in ((ONE, TWO)[n % 2],)
        ],
    )
    kinds = ("shown", "accepted", "refused", "complained", "opted_out", "bought", "left")
    days = (-30.0, -1e-5, 0.0, 0.5, 45.0, 90.0 - 1e-5, 90.0, 180.0)
    record_outcomes(
        place,
        [
            Outcome(
                outcome_id=f"o{n}",
                decision_id=f"L1:C{n % 40}",
                customer_id=f"C{n % 40}",
                at=(at := DECIDED + timedelta(days=days[n % len(days)])),
                kind=kinds[n % len(kinds)],
                known_at=at + timedelta(days=1),
                amount=None if n % 2 else n / 3,
            )
            for n in range(400)
        ],
    )
    return place


def test_reports_say_the_same_on_a_server_as_on_a_file_to_the_bit(postgres: Server, tmp_path: Path) -> None:
    own = Home(tmp_path)
    far = Home(tmp_path, decisions=Address(postgres.new_database("reports") + "?options=-cTimeZone%3DCET"))
    file, server = _filled(own.decisions_db), _filled(far.decisions_db)
    assert read_decisions(server, "L1") == read_decisions(file, "L1")
    pd.testing.assert_frame_equal(followed(server, "L1"), followed(file, "L1"), check_exact=True)
    assert earned_by_arm(server, "L1") == earned_by_arm(file, "L1")
    assert earned_by_campaign(server, print) == earned_by_campaign(file, print)
    contacts = pd.DataFrame({"customer_id": ["C1", "C99"], "as_of": pd.to_datetime(ONE.as_of, utc=True)})
    assert without_decided(far, contacts)["customer_id"].tolist() == ["C99"]
    assert without_decided(own, contacts)["customer_id"].tolist() == ["C99"]


def test_a_server_killed_within_a_write_leaves_nothing_half_and_all_goes_on_after_its_restart() -> None:
    with postgres_server() as server:
        place = Address(server.new_database("bank"))
        with closing(Writer(place)) as writer:
            assert writer.append([ONE]).result(60) == 1
            with pytest.raises(NotReadyError, match="stopped answering"), open_log(place) as log:
                log.execute(
                    "INSERT INTO outcomes VALUES ('o1', 'L1:C1', 'C1', 'a', 'shown', 'b', '', NULL)"
                )
                server.stop("immediate")
                log.execute("SELECT 1")
            with pytest.raises(NotReadyError):
                writer.append([TWO]).result(60)
            server.start()
            assert writer.append([TWO]).result(60) == 1
        assert read_decisions(place, "L1") == (ONE, TWO)
        with open_log(place) as log:
            assert log.execute("SELECT count(*) FROM quarantine").fetchone() == (0,)


def test_addresses_that_lead_nowhere_are_named_without_their_password(postgres: Server) -> None:
    for url, error, said in (
        (postgres.url("postgres", password="guessed"), ConfigError, "user, password or database"),
        (postgres.url("nowhere"), ConfigError, "user, password or database"),
        ("postgresql://ada:gue%ssed@127.0.0.1/bank", ConfigError, "not a URL"),
        ("postgresql://ada:guessed@127.0.0.1:1/bank", NotReadyError, "does not answer"),
    ):
        with pytest.raises(error, match=said) as caught:
            record_decisions(Address(url), [ONE])
        assert not any(secret in str(caught.value) for secret in ("guessed", "gue%ssed", "hush", "ada"))
        assert caught.value.__cause__ is None, "the driver's own words may repeat the password"


def test_a_server_that_hangs_is_given_up() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = Address(f"postgresql://ada@127.0.0.1:{silent.getsockname()[1]}/bank?connect_timeout=2")
        with pytest.raises(NotReadyError, match="does not answer"):
            record_decisions(address, [ONE])


def test_tables_that_are_not_ours_are_left_alone(postgres: Server) -> None:
    url = postgres.new_database("foreign")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE decisions (decision_id TEXT)")
    with pytest.raises(RefusedError, match="format 0"):
        record_decisions(Address(url), [ONE])


def test_rows_are_numbered_as_they_are_committed_however_many_write(postgres: Server) -> None:
    place = Address(postgres.new_database("numbered"))
    writers = [Writer(place) for _ in range(3)]
    done = [
        writers[n % 3].append([replace(ONE, decision_id=f"L1:C{n}", rank=n, customer_id=f"C{n}")])
        for n in range(300)
    ]
    read, seen = 0, []
    with closing(log_session(place)) as reader:
        while len(seen) < 300:
            if reader.ready():
                with reader.transaction(only_read=True) as log:
                    query = "SELECT rowid, decision_id FROM decisions WHERE rowid > ? ORDER BY rowid"
                    rows = log.execute(query, (read,)).fetchall()
                seen += [name for _, name in rows]
                read = rows[-1][0] if rows else read
            if all(one.done() for one in done) and not rows:
                break
    assert sorted(seen) == sorted(f"L1:C{n}" for n in range(300)), "who reads on from the last number"
    for writer in writers:
        writer.close()


def test_settings_name_servers_and_keep_their_passwords() -> None:
    found = read_settings({"TENURE_DECISIONS": "postgresql://ada:secret@db/bank"})
    assert str(found.decisions) == "postgresql://db/bank"
    assert "secret" not in repr(found)
    for name in ("TENURE_DECISIONS", "TENURE_MLFLOW"):
        with pytest.raises(TenureError, match="not the URL of a server") as caught:
            read_settings({name: "mysql://ada:secret@db/bank"})
        assert "secret" not in str(caught.value)

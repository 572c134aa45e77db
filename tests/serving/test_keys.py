"""Keys: printed once, kept as hashes in a private file, by the command line."""

import ast
import json
import os
import pty
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from features.errors import ConfigError, InputError, NotReadyError
from features.home import Home
from features.settings import read_settings
from serving.access import keys as keys_module
from serving.access.entry import check_start, without_keys
from serving.access.keys import add_key, hash_of, parse, read_keys, revoke_key
from serving.cli.main import main

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def bank(tmp_path):
    return Home(tmp_path / "bank")


def run(bank, *words, code=0):
    done = CliRunner().invoke(main, [*words, "--home", str(bank.path)])
    assert done.exit_code == code, done.output
    return done


def test_a_key_is_printed_once_and_kept_as_a_hash_in_a_private_file(bank):
    done = run(bank, "keys", "add", "--role", "crm", "--name", "call centre", "--expires", "30d")
    token = done.stdout.strip()
    assert parse(token.encode()) == token[4:16]
    assert token not in done.stderr
    secret = token[-64:]
    assert not any(secret in p.read_text() for p in bank.path.rglob("*") if p.is_file())
    listed = run(bank, "keys", "list").stdout
    assert token[4:16] in listed and "call centre" in listed and "valid" in listed
    assert secret not in listed and hash_of(token.encode()) not in listed
    assert stat.S_IMODE(bank.keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(bank.keys.parent.stat().st_mode) == 0o700
    kept = read_keys(bank.keys)[token[4:16]]
    assert (kept.role, kept.sha256) == ("crm", hash_of(token.encode()))
    assert kept.expires - kept.created == timedelta(days=30)


def test_revoking_shows_in_the_list_and_again_changes_nothing(bank):
    token = run(bank, "keys", "add", "--role", "admin", "--name", "x").stdout.strip()
    run(bank, "keys", "revoke", token[4:16])
    before = bank.keys.read_bytes()
    run(bank, "keys", "revoke", token[4:16])
    assert bank.keys.read_bytes() == before
    listed = json.loads(run(bank, "keys", "list", "--json").stdout)["keys"]
    assert [(k["role"], k["state"]) for k in listed] == [("admin", "revoked")]


@pytest.mark.parametrize(
    "words",
    [
        ("add", "--role", "root", "--name", "x"),
        ("add", "--role", "crm", "--name", ""),
        ("add", "--role", "crm", "--name", "a\nb"),
        ("add", "--role", "crm", "--name", "x" * 81),
        ("add", "--role", "crm", "--name", "x", "--expires", "90"),
        ("add", "--role", "crm", "--name", "x", "--expires", "0d"),
        ("add", "--role", "crm", "--name", "x", "--expires", "367d"),
        ("add", "--role", "crm", "--name", "x", "--expires", "-1d"),
        ("revoke", "000000000000"),
    ],
)
def test_what_is_no_key_is_refused_and_nothing_is_written(bank, words):
    run(bank, "keys", *words, code=InputError.exit_code)
    assert not bank.keys.exists()


def test_keys_made_at_the_same_time_are_all_kept(bank):
    threads = [threading.Thread(target=add_key, args=(bank, "crm", "x", 1, NOW)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read_keys(bank.keys)) == 8


def test_keys_have_256_random_bits_and_no_two_are_alike(bank):
    tokens = {add_key(bank, "crm", "x", 1, NOW)[1] for _ in range(20)}
    assert len({t[4:16] for t in tokens}) == len({t[-64:] for t in tokens}) == 20
    assert all(len(bytes.fromhex(t[-64:])) * 8 == 256 for t in tokens)


def test_a_service_that_nobody_could_ask_does_not_start(bank):
    settings = replace(read_settings({}), home=bank.path)
    assert without_keys(settings)
    with pytest.raises(NotReadyError, match="tenure keys add"):
        check_start(settings, "127.0.0.1", lambda: NOW)
    key, _ = add_key(bank, "crm", "x", 1, NOW)
    check_start(settings, "0.0.0.0", lambda: NOW)
    with pytest.raises(NotReadyError, match="expired or revoked"):
        check_start(settings, "127.0.0.1", lambda: NOW + timedelta(days=1))
    revoke_key(bank, key.id, NOW)
    with pytest.raises(NotReadyError, match="expired or revoked"):
        check_start(settings, "127.0.0.1", lambda: NOW)


def test_switched_off_the_service_listens_on_this_machine_only(bank):
    settings = replace(read_settings({"TENURE_ACCESS": "off"}), home=bank.path)
    for host in ("127.0.0.1", "localhost", "::1"):
        check_start(settings, host, lambda: NOW)
    for host in ("0.0.0.0", "10.0.0.7", "::", "bank.example"):
        with pytest.raises(ConfigError, match="this machine only"):
            check_start(settings, host, lambda: NOW)


def test_serve_refuses_without_keys_and_shows_none_where_no_person_looks(bank):
    bank.path.mkdir()
    done = subprocess.run(
        [Path(sys.executable).with_name("tenure"), "serve", "--home", bank.path],
        env={**os.environ, "TENURE_ACCESS": "keys"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == NotReadyError.exit_code
    assert "tenure keys add" in done.stderr and "tnr_" not in done.stdout + done.stderr
    assert not bank.keys.exists()


def test_somebody_who_tries_it_at_a_terminal_gets_a_first_key(bank):
    bank.path.mkdir()
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from rich.console import Console; from features.settings import read_settings\n"
        "from serving.cli.console import Shell; from serving.cli.keys import first_key\n"
        "settings = replace(read_settings(), home=Path(sys.argv[1]))\n"
        "shell = Shell(settings, False, Console(stderr=True))\n"
        "sys.stdout.write(f'{first_key(shell, sys.argv[2])} {first_key(shell, sys.argv[2])}')\n"
    )

    def started(host):
        outer, inner = pty.openpty()
        done = subprocess.run(
            [sys.executable, "-c", code, str(bank.path), host],
            env={**os.environ, "TENURE_ACCESS": "keys"},
            stdout=inner,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(inner)
        text = os.read(outer, 1000).decode() if done.returncode == 0 else ""
        os.close(outer)
        return done.returncode, text

    assert started("0.0.0.0")[0] != 0 and not bank.keys.exists()
    code_, text = started("127.0.0.1")
    token, again = text.split()
    assert (code_, again) == (0, "None")
    assert {k.role: k.sha256 for k in read_keys(bank.keys).values()} == {"crm": hash_of(token.encode())}


@pytest.mark.parametrize(
    "environ",
    [
        {"TENURE_ACCESS": "open"},
        {"TENURE_RATES": "crm"},
        {"TENURE_RATES": "crm=0"},
        {"TENURE_RATES": "root=5"},
        {"TENURE_RATES": "crm=5,"},
        {"TENURE_OIDC_ISSUER": "https://bank.example"},
        {"TENURE_OIDC_KEYS": "keys.json"},
    ],
)
def test_a_wrong_setting_is_refused(environ):
    with pytest.raises(ConfigError, match=next(iter(environ))):
        read_settings(environ)


def test_rates_that_are_not_named_keep_their_default():
    rates = read_settings({"TENURE_RATES": "crm=5,admin=7"}).rates
    assert rates == {"crm": 5, "marketer": 20, "analyst": 100, "admin": 7}


def test_secrets_are_compared_in_constant_time():
    """No digest is compared by == or `in`: hmac.compare_digest alone."""
    folder = Path(keys_module.__file__).parent
    secret = {"sha256", "token", "digest", "secret", "hash_of"}
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                names = {getattr(n, "id", getattr(n, "attr", "")) for n in ast.walk(node)}
                assert not names & secret, f"{path.name}:{node.lineno}"
    assert "compare_digest" in (folder / "door.py").read_text()

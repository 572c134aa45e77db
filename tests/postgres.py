"""A real PostgreSQL for tests, from Debian's binaries, on a free port of this machine."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

PASSWORD = "hush-9f2c"


@dataclass
class Server:
    """One cluster; its user is `tenure`, who needs a password."""

    binaries: Path
    data: Path
    port: int
    log: Path

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.data} -c fsync=on"
        self._run("pg_ctl", "-D", self.data, "-l", self.log, "-w", "-t", "60", "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        self._run("pg_ctl", "-D", self.data, "-m", how, "-w", "-t", "60", "stop")

    def postmaster(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def url(self, database: str, password: str = PASSWORD) -> str:
        return f"postgresql://tenure:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str) -> str:
        """An empty database, as its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def new_schema(self, url: str, name: str) -> str:
        """An empty schema of a database, as a URL that sees nothing else."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'CREATE SCHEMA "{name}"')
        return f"{url}?options=-csearch_path%3D{name}"

    def _run(self, program: str, *words: object) -> None:
        # PostgreSQL refuses to run as root.
        who = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*who, str(self.binaries / program), *map(str, words)]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
        said = self.log.read_text() if done.returncode and self.log.exists() else ""
        assert done.returncode == 0, done.stderr + said


@contextmanager
def postgres_server() -> Iterator[Server]:
    """A cluster of its own; gone afterwards."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Pytest's own folders are closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="tenure-postgres-"))
    server = Server(found[-1].parent, folder / "data", port, folder / "server.log")
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        shutil.chown(secret, "postgres")
    words = ("-U", "tenure", "-A", "scram-sha-256", "--pwfile", secret, "-E", "UTF8", "--no-sync")
    server._run("initdb", "-D", server.data, *words)
    try:
        server.start()
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)

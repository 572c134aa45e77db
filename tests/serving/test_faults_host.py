"""The machine fails: its disk is full, files cannot be opened, there is no network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from features.home import Home
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.deciding.adviser import adviser_of
from serving.live import load_live
from serving.log.decisions import read_decisions
from serving.log.writer import Writer
from serving.readiness import Readiness, check_room
from tests.serving.conftest import AS_OF
from tests.serving.online_bank import put_online


@pytest.fixture
def online(home: Home, frame: pd.DataFrame) -> Home:
    put_online(home, frame, "2026-01-01.1", AS_OF)
    return home


@pytest.fixture
def small_disk(online: Home, tmp_path: Path) -> Iterator[Home]:
    """The bank on a file system of its own, of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tenure-test", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no right to mount a small disk")
    try:
        shutil.copytree(online.path, disk / "bank")
        yield Home(disk / "bank")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65_536)
        except OSError:
            return


def test_on_a_full_disk_nothing_is_decided_unlogged_reading_goes_on_and_room_is_enough_to_go_on(
    small_disk: Home,
) -> None:
    writer = Writer(small_disk.decisions_db)
    adviser = adviser_of(load_live(small_disk), small_disk, "pepper", writer.append)
    client = TestClient(create_app(Desk(lambda: adviser), lambda: datetime(2026, 1, 2, tzinfo=UTC)))
    ids = [f"C{n:04d}" for n in range(300)]

    def ask(path: str, key: str) -> Any:
        return client.post(path, json={"customer_ids": ids}, headers={"Idempotency-Key": key})

    assert ask("/v1/offers", "before").status_code == 200
    _fill(small_disk.path.parent)
    refused = [ask("/v1/offers", f"full{n}") for n in range(20)][-1]
    assert (refused.status_code, refused.headers["retry-after"]) == (507, "1")
    assert refused.headers["content-type"] == "application/problem+json"
    assert ask("/v1/scores", "").status_code == 200
    (small_disk.path.parent / "filler").unlink()
    assert ask("/v1/offers", "full19").status_code == 200
    assert ask("/v1/offers", "before").status_code == 200
    writer.close()


class _Disk:
    """An ext4 in a file, mounted below a folder, that can fail as a worn disk does."""

    def __init__(self, folder: Path) -> None:
        self.image, self.path = folder / "image", folder / "worn"
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(64_000_000)
        made = subprocess.run(["mkfs.ext4", "-q", str(self.image)], capture_output=True)
        if made.returncode or not self.mount():
            pytest.skip("no right to mount a disk of its own")

    def mount(self) -> bool:
        command = ["mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.path)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], capture_output=True)

    def replace(self) -> bool:
        """Another disk with what this one holds, in its place."""
        self.image = shutil.copy(self.image, self.image.with_name("another"))
        subprocess.run(["e2fsck", "-fy", str(self.image)], capture_output=True)
        return self.mount()

    def fail(self) -> None:
        """Make the kernel find an error, and with that give up writing."""
        mounted = Path("/proc/mounts").read_text().splitlines()
        [device] = [line.split()[0] for line in mounted if str(self.path) in line]
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("worn\n")


@pytest.fixture
def worn(online: Home, tmp_path: Path) -> Iterator[tuple[_Disk, Home]]:
    disk = _Disk(tmp_path)
    try:
        shutil.copytree(online.path, disk.path / "bank")
        os.sync()  # what only memory holds is lost with the disk
        yield disk, Home(disk.path / "bank")
    finally:
        disk.unmount()


def test_a_disk_that_turns_read_only_makes_it_not_ready_and_another_in_its_place_needs_no_restart(
    worn: tuple[_Disk, Home],
) -> None:
    disk, home = worn
    writer, second = Writer(home.decisions_db), count()
    adviser = adviser_of(load_live(home), home, "pepper", writer.append)
    checks = (lambda: adviser.live.reader.read(["ready"]), lambda: check_room(home.decisions_db))
    ready = Readiness(checks, lambda: float(next(second)))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    client = TestClient(create_app(Desk(lambda: adviser), lambda: now, ready=ready))

    def statuses() -> list[int]:
        body = {"customer_ids": ["C0001"]}
        answers = [client.post(f"/v1/{path}", json=body) for path in ("scores", "offers")]
        return [*(answer.status_code for answer in answers), client.get("/readyz").status_code]

    assert statuses() == [200, 200, 200]
    disk.fail()
    scored, offered, is_ready = statuses()
    assert scored == 200 and offered in (503, 507) and is_ready == 503
    assert statuses()[1:] == [offered, 503], "it stays up and honest"
    disk.unmount()
    [nothing] = client.post("/v1/offers", json={"customer_ids": ["C0001"]}).json()["results"]
    assert (nothing["reasons"], ready()) == (["features_unavailable"], False)
    assert disk.replace()
    assert statuses() == [200, 200, 200]
    writer.close()
    assert {d.customer_id for d in read_decisions(home.decisions_db, "live")} == {"C0001"}


_WITHOUT_FILES = """
import asyncio, json, os, resource, sys
from datetime import UTC, datetime
from pathlib import Path
import httpx
from features.home import Home
from serving.api.app import create_app
from serving.api.desk import Desk
from serving.deciding.adviser import adviser_of
from serving.live import load_live
from serving.log.writer import Writer

home = Home(Path(sys.argv[1]))
writer = Writer(home.decisions_db)
adviser = adviser_of(load_live(home), home, "pepper", writer.append)
app = create_app(Desk(lambda: adviser), lambda: datetime(2026, 1, 2, tzinfo=UTC))

async def both(client):
    body = {"customer_ids": ["C0001", "C0002"]}
    answers = [await client.post(path, json=body) for path in ("/v1/scores", "/v1/offers")]
    return [(a.status_code, sorted({r["status"] for r in a.json().get("results", [])})) for a in answers]

async def main():
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bank") as client:
        told = [await both(client)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            pass
        told.append(await both(client))
        for number in taken:
            os.close(number)
        told.append(await both(client))
    return told

print(json.dumps(asyncio.run(main())))
writer.close()
"""


def test_without_a_file_to_open_answers_are_right_or_refused_and_afterwards_as_before(online: Home) -> None:
    before, during, after = json.loads(_child(_WITHOUT_FILES, str(online.path)))
    assert [status for status, _ in before] == [200, 200] and after == before
    for (status, said), (_, usual) in zip(during, before, strict=True):
        assert (status == 200 and said in (usual, ["abstain"])) or status in (503, 507)


_ALONE = """
import json, sys
tried = []

def watch(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        tried.append([event, repr(args[:2])])

sys.addaudithook(watch)
from starlette.testclient import TestClient
from serving.service import TenureService

here = {"base_url": "http://127.0.0.1:3000", "client": ("127.0.0.1", 50_000)}
with TestClient(TenureService.to_asgi(), raise_server_exceptions=False, **here) as client:
    told = [client.get("/readyz").status_code]
    for path in ("scores", "offers", "profile"):
        told.append(client.post(f"/v1/{path}", json={"customer_ids": ["C0001"]}).status_code)
    told.append(client.get("/docs").status_code)
print(json.dumps([told, tried]))
"""


def test_without_any_network_all_is_answered_and_nobody_is_called(online: Home) -> None:
    unshare = ["unshare", "-n"] if not subprocess.run(["unshare", "-n", "true"]).returncode else []
    told, tried = json.loads(_child(_ALONE, before=unshare, TENURE_HOME=str(online.path)))
    assert told == [200] * 5
    assert tried == []


def _child(script: str, *words: str, before: list[str] | None = None, **more: str) -> str:
    """The last line that a script in a process of its own prints."""
    command = [*(before or []), sys.executable, "-c", script, *words]
    done = subprocess.run(
        command, env={**os.environ, "TENURE_ACCESS": "off", **more}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]

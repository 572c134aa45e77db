"""Spark runs the same declarations as Ibis compiles them, on this machine or on a cluster.

Spark writes each moment as part files, wherever its tasks run; DuckDB then sorts and types them
into the one file of the snapshot, as for every engine.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import ibis

from features.compute import feature_table, spine_of
from features.engines.base import Job, snapshot_file, write_snapshot
from features.errors import ConfigError, NotReadyError
from features.history.contract import TABLES
from features.history.cut import cut_history
from features.history.read import connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

__all__ = ["spark_session", "write_snapshots"]


def write_snapshots(job: Job) -> None:
    """Compute every moment of the job.

    Raises
    ------
    ConfigError
        If PySpark or Java is missing.
    """
    with (
        spark_session(job.threads, job.memory, job.spark_master) as session,
        # Beside the snapshots: on a cluster that is storage which every task reaches.
        TemporaryDirectory(prefix=".spark-", dir=job.folder) as scratch,
    ):
        _show_history(session, job.home.history)
        cut_from = ibis.pyspark.connect(session)
        files = connect(job.home, job.threads, job.memory)
        for number, moment in enumerate(job.moments, 1):
            job.tell(f"features at {moment:%Y-%m-%d} ({number} of {len(job.moments)}), by Spark")
            cut = cut_history(cut_from, moment)
            table = feature_table(cut, spine_of(cut), job.families)
            parts = Path(scratch) / f"{moment:%Y-%m-%d}"
            session.sql(cut_from.compile(table)).write.parquet(str(parts))
            found = files.read_parquet(str(parts / "*.parquet"))
            path = snapshot_file(job.folder, moment)
            write_snapshot(files, files.compile(found), job.families, moment, path)


@contextmanager
def spark_session(threads: int, memory: str, master: str = "") -> "Iterator[SparkSession]":
    """A session of the Spark that is already running in this process, or else of a new one.

    Parameters
    ----------
    threads, memory
        What a Spark on this machine may use, such as 2 and '4GB'.
    master
        Address of a cluster; empty for this machine alone, which then opens no port to others.
    """
    try:
        from pyspark.errors import PySparkRuntimeError
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise ConfigError("engine 'spark': no PySpark; cure: pip install 'tenure[spark]'") from error
    running = SparkSession.getActiveSession()
    if running is not None:
        yield _in_utc(running.newSession())
        return
    builder = SparkSession.builder.appName("tenure")
    builder = builder.config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
    if master:
        builder = builder.master(master)
    else:
        local: dict[str, bool | float | int | str | None] = {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            # Java knows 4g, not 4GB.
            "spark.driver.memory": memory.lower().removesuffix("b").removesuffix("i").replace(" ", ""),
            # The default of 200 is meant for clusters: on two cores most would be empty.
            "spark.sql.shuffle.partitions": str(2 * threads),
        }
        builder = builder.master(f"local[{threads}]").config(map=local)
    try:
        started = builder.getOrCreate()
    except PySparkRuntimeError as error:
        raise ConfigError("engine 'spark': Spark does not start; cure: install Java 17") from error
    try:
        started.sparkContext.setLogLevel("ERROR")
        yield _in_utc(started.newSession())
    finally:
        started.stop()


def _in_utc(session: "SparkSession") -> "SparkSession":
    session.conf.set("spark.sql.session.timeZone", "UTC")
    session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    return session


def _show_history(session: "SparkSession", history: Path) -> None:
    """Make every table of the contract a view of its name."""
    for table in TABLES:
        path = history / f"{table.name}.parquet"
        if not path.is_file():
            raise NotReadyError(f"{path}: not there yet; cure: run `tenure import` first")
        session.read.parquet(str(path)).createOrReplaceTempView(table.name)

"""DuckDB runs the declarations as Ibis compiles them; out of core, one moment after the other."""

from features.compute import feature_table, spine_of
from features.engines.base import Job, snapshot_file, write_snapshot
from features.history.cut import cut_history
from features.history.read import connect

__all__ = ["write_snapshots"]


def write_snapshots(job: Job) -> None:
    """Compute every moment of the job."""
    connection = connect(job.home, job.threads, job.memory)
    for number, moment in enumerate(job.moments, 1):
        job.tell(f"features at {moment:%Y-%m-%d} ({number} of {len(job.moments)})")
        cut = cut_history(connection, moment)
        sql = connection.compile(feature_table(cut, spine_of(cut), job.families))
        write_snapshot(connection, sql, job.families, moment, snapshot_file(job.folder, moment))

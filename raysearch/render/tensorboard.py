"""Writes learning curves of a sweep as files for TensorBoard."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from raysearch.names import path_part
from raysearch.run import Report, Run
from raysearch.storage.whole import whole_file

__all__ = ["write_curves"]


def write_curves(trials: Iterable[Run], folder: Path) -> int:
    """Write a run per row that has a curve, its metrics against steps.

    The same rows make the same files: an existing run is overwritten.

    Args:
        trials: Rows with their curves.
        folder: Destination of the runs, one folder each, named after trial and cell; created.

    Returns:
        Number of runs written.

    Raises:
        OSError: The folder cannot be written.
    """
    count = 0
    for trial in trials:
        if not trial.curve:
            continue
        run = folder / path_part(trial.sweep) / trial.id
        run.mkdir(parents=True, exist_ok=True)
        end = datetime.fromisoformat(trial.finished).timestamp() if trial.finished else 0.0
        first = Event(wall_time=end, file_version="brain.Event:2")
        curve = [_event(report, end - trial.seconds + report.seconds) for report in trial.curve]
        with whole_file(run / "events.out.tfevents.raysearch") as file:
            with closing(RecordWriter(file.name)) as writer:  # opens the file by its name
                for event in (first, *curve):
                    writer.write(event.SerializeToString())
        count += 1
    return count


def _event(report: Report, time: float) -> Event:
    values = [
        Summary.Value(tag=name, simple_value=value)
        for name, value in report.metrics.items()
        if not math.isnan(value)
    ]
    return Event(wall_time=time, step=report.step, summary=Summary(value=values))

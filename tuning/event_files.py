"""TensorBoard's event files, written whole: the only file that imports tensorboard, and it needs no TensorFlow.

A file is composed in memory and put in its place in one step, under a name that depends on nothing but what is in it:
who writes the same trial again replaces the file and doubles nothing. TensorBoard's own writers append in a thread, to
a file with a fresh name, and import TensorFlow first, which the process that holds a study never does.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2, summary_v2
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.record_writer import RecordWriter

_FORMAT = "brain.Event:2"  # how the first event of every file begins


@dataclass(frozen=True)
class Point:
    """Scalars of one step.

    Args:
        step: >= 0.
        time_secs: When, since 1970.
        scalars: Values by tag; may be NaN or infinite.
    """

    step: int
    time_secs: float
    scalars: Mapping[str, float]


@dataclass(frozen=True)
class Session:
    """What the tab HPARAMS shows of one training.

    Args:
        name: Unique among all trainings in the log directory: two of one name are taken for repeats.
        hparams: Hyperparameters: numbers, words, truth values.
        begun_secs, ended_secs: Since 1970.
        succeeded: Whether it ended as it should.
        text: What the tab TEXT shows, as markdown.
    """

    name: str
    hparams: Mapping[str, float | int | str | bool]
    begun_secs: float
    ended_secs: float
    succeeded: bool
    text: str


def write_run(
    folder: Path, name: str, begun_secs: float, points: Sequence[Point], session: Session | None = None
) -> None:
    """Write one run as one event file, or replace it.

    Args:
        folder: The run's folder; created if it is missing.
        name: What the file's name ends with.
        begun_secs: When the run began, since 1970.
        points: Scalars.
        session: Hyperparameters, if the run is a whole training.

    Raises:
        OSError: If the file cannot be written.
    """
    events = [Event(wall_time=begun_secs, file_version=_FORMAT)]
    if session is not None:
        hparams = summary_v2.hparams_pb(session.hparams, session.name, session.begun_secs)
        events += [Event(wall_time=begun_secs, summary=hparams)]
    events += [Event(wall_time=point.time_secs, step=point.step, summary=_scalars(point)) for point in points]
    if session is not None:
        last = (text_pb("note", session.text), _end(session))
        events += [Event(wall_time=session.ended_secs, summary=summary) for summary in last]
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{name}.{os.getpid()}.partial"  # no name that TensorBoard would read
    partial.write_bytes(_records(events))
    partial.replace(event_file(folder, name))


def event_file(folder: Path, name: str) -> Path:
    """Where a run's events are: TensorBoard knows them by the beginning of the file's name."""
    return folder / f"events.out.tfevents.{name}"


def _scalars(point: Point) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in point.scalars.items()])


def _end(session: Session) -> Summary:
    status = api_pb2.STATUS_SUCCESS if session.succeeded else api_pb2.STATUS_FAILURE
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=session.ended_secs)
    about = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=end))
    return Summary(
        value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=about, tensor=metadata.NULL_TENSOR)]
    )


def _records(events: Sequence[Event]) -> bytes:
    written = io.BytesIO()
    writer = RecordWriter(written)
    for event in events:
        writer.write(event.SerializeToString())
    return written.getvalue()

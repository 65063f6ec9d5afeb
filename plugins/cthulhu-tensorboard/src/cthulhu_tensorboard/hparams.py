"""The data of TensorBoard's hparams tab: an experiment, and the beginning and end of each session.

torch's ``add_hparams`` writes everything in one call, to a separate folder with separate values. Here, a session is the
folder with the curves, so that the tab shows their values, and it ends when training ends.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cthulhu_tensorboard.events import Writer
    from cthulhu_tensorboard.run_options import RunOptions

# TensorBoard shows five hyperparameters: first those marked as differing between runs, then the others by name.
# These five describe a training best. Without the mark, it would show accumulate, batch_size, do_validation, ...
_SHOWN_FIRST = frozenset({"batch_size", "loss", "metrics", "optimizer", "optimizer/lr"})


def begin(writer: Writer, options: RunOptions, tags: Sequence[str]) -> None:
    """Begin a session.

    Args:
        writer: writer of the session's folder.
        options: hyperparameters of the session.
        tags: tags of the scalars that are its metrics.
    """
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    now = time.time()
    if tags:  # Without metrics, TensorBoard infers the experiment.
        experiment = api_pb2.Experiment(
            time_created_secs=now,
            hparam_infos=[
                api_pb2.HParamInfo(name=name, type=_type(value), differs=name in _SHOWN_FIRST)
                for name, value in options.items()
            ],
            metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in tags],
        )
        _write(writer, metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))
    start = plugin_data_pb2.SessionStartInfo(start_time_secs=now)
    for name, value in options.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = float(value)
    _write(writer, metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=start))


def end(writer: Writer, succeeded: bool) -> None:
    """End the session."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if succeeded else api_pb2.STATUS_FAILURE
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=time.time())
    _write(writer, metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=info))


def _type(value: Any) -> Any:
    from tensorboard.plugins.hparams import api_pb2

    if isinstance(value, bool):
        return api_pb2.DATA_TYPE_BOOL
    return api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64


def _write(writer: Writer, tag: str, data: Any) -> None:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    summary = Summary(value=[Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data))])
    writer.file_writer.add_summary(summary)

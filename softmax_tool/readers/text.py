"""A whole text table in a temporary file, for when its columns are the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from softmax_tool.readers.csv import parsed_batches
from softmax_tool.readers.npy import Header
from softmax_tool.readers.origin import spool_origin

if TYPE_CHECKING:
    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.origin import Origin


def spooled_table(
    origin: Origin, dialect: Dialect, log: ReadLog | None = None
) -> tuple[Origin, Header]:
    """Parse a text table into an unnamed temporary file of float64, as a headerless NPY."""
    from softmax_tool.storing import storing_for_now, temporary_file  # noqa: PLC0415  # 1 ms that few need

    spool = temporary_file()  # closed by the origin's finalizer
    held = spool_origin(origin.path, origin.name, spool)
    rows = 0
    for parsed in parsed_batches(origin, dialect, log):
        with storing_for_now():
            spool.write(parsed.values.tobytes())
        rows += len(parsed.values)
    with storing_for_now():
        spool.flush()
    return held, Header((rows, dialect.columns), False, np.dtype(np.float64), 0)

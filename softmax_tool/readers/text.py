"""A whole text table in a temporary file, for when its columns are the rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np

from softmax_tool.readers.csv import parsed_batches
from softmax_tool.readers.npy import Header
from softmax_tool.readers.origin import reading, spool_origin

if TYPE_CHECKING:
    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.origin import Origin


def spooled_table(
    origin: Origin, dialect: Dialect, log: ReadLog | None = None
) -> tuple[Origin, Header]:
    """Parse a text table into an unnamed temporary file of float64, as a headerless NPY."""
    import tempfile  # noqa: PLC0415  # 1 ms that few need

    spool = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the origin's finalizer
    held = spool_origin(origin.path, origin.name, cast("BinaryIO", spool))
    rows = 0
    for parsed in parsed_batches(origin, dialect, log):
        with reading(origin.name):
            spool.write(parsed.values.tobytes())
        rows += len(parsed.values)
    with reading(origin.name):
        spool.flush()
    return held, Header((rows, dialect.columns), False, np.dtype(np.float64), 0)

"""CSV and TSV files: batches of whole lines, and the numbers of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from softmax_tool.readers.lines import Batch, batches
from softmax_tool.readers.parsing import Form, overflows, parsed
from softmax_tool.readers.portions import ReadRows
from softmax_tool.readers.text_rows import TextRows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.readers.classes import LabelColumn
    from softmax_tool.readers.dialect import Dialect
    from softmax_tool.readers.log import ReadLog
    from softmax_tool.readers.origin import Origin
    from softmax_tool.readers.parsing import Parsed
    from softmax_tool.readers.portions import Rows


def parsed_batches(
    origin: Origin,
    dialect: Dialect,
    log: ReadLog | None = None,
    label_column: LabelColumn | None = None,
) -> Iterator[Parsed]:
    """Yield the rows of a text file, batch by batch.

    Numbers are rounded once to the nearest float64. Finite ones beyond its range become ±inf and
    are noted in `log`, but for those in the label column, which are errors there; so is how much
    text has been read.

    Raises
    ------
    InputError
        A row has another number of cells, a cell is empty or not a number.
    """
    form = Form.of(origin, dialect)
    for body in _bodies(origin, dialect, log):
        read = parsed(body, form)
        if log is not None:
            log.extend(overflows(read, form.path, label_column))
        if len(read.values):
            yield read


def text_rows(
    origin: Origin, dialect: Dialect, rows: int, log: ReadLog, column: LabelColumn | None
) -> Iterator[Rows]:
    """Yield the rows of a text file, at most `rows` or one batch at a time, still as text.

    Where only reading tells how many rows there are, they are read at once. How much text it was
    is noted in `log`.

    Raises
    ------
    InputError
        As `parsed_batches`, where lines are read at once.
    """
    form = Form.of(origin, dialect)
    held: list[Batch] = []
    count = 0
    for body in _bodies(origin, dialect, log):
        if held and (body.rows is None or count + body.rows > rows):
            yield TextRows(form, tuple(held), count, column)
            held, count = [], 0
        if body.rows is None:
            logits, labels, noticed = TextRows(form, (body,), None, column).read()
            log.extend(noticed)
            if len(logits):
                yield ReadRows(logits, labels)
        elif body.rows:
            held.append(body)
            count += body.rows
    if held:
        yield TextRows(form, tuple(held), count, column)


def _bodies(origin: Origin, dialect: Dialect, log: ReadLog | None) -> Iterator[Batch]:
    """Yield the lines of a file below its header."""
    with origin.open(last=True) as stream:
        for batch in batches(stream, origin.name):
            if log is not None:
                log.characters += len(batch.data)
            yield _below_header(batch, dialect.header_line)


def _below_header(batch: Batch, header_line: int) -> Batch:
    skipped = header_line - batch.first_line + 1
    if skipped <= 0:
        return batch
    parts = batch.data.split(b"\n", skipped)
    rest = parts[skipped] if len(parts) > skipped else b""
    return Batch.of(rest, header_line + 1)

"""Results of somebody else, handed out in step with the blocks of the logits they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from softmax_tool.check.headers import header_of_results
from softmax_tool.check.report import ResultsInfo
from softmax_tool.errors import InputError, UsageError
from softmax_tool.formats import FORMATS, find_format
from softmax_tool.formulations import LOSSES
from softmax_tool.readers import open_logits
from softmax_tool.readers.column import open_column
from softmax_tool.readers.layout import Layout
from softmax_tool.readers.parts import memory_rows
from softmax_tool.readers.shown import counted
from softmax_tool.readers.stream import RowStream
from softmax_tool.renderers.display import number, shape, visible

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.formats import FloatFormat
    from softmax_tool.readers import Block, Source
    from softmax_tool.readers.column import Column

    Array = NDArray[Any]

TEXT = "text"


class Given(Protocol):
    """Results that come with the logits, block by block."""

    @property
    def name(self) -> str:
        """What messages call them."""

    @property
    def origin(self) -> str:
        """The file that they, or what makes them, are in; "" where there is none."""

    @property
    def format(self) -> FloatFormat | None:
        """The format they are in; None where that shows only in the first block."""

    @property
    def reduced(self) -> bool:
        """Whether they are a single loss, and not one for each row."""

    def take(self, block: Block) -> Array:
        """Return the results of a block, (rows, classes), or (rows, 1) of a loss.

        None of a reduced loss.
        """

    def logits(self, block: Block) -> Array:
        """Return the logits that the results of a block are of."""

    def value(self) -> float:
        """Return the single loss."""

    def finish(self, source: Source) -> ResultsInfo:
        """Say what they were, all rows of the logits having been read.

        Raises
        ------
        InputError
            If there are more of them than rows.
        """


@dataclass(slots=True)
class FileResults:
    """Results in a file."""

    name: str
    stored_dtype: str
    shape: tuple[int, ...] | None  # None until the lines of a text file are counted
    classes: int
    format: FloatFormat
    reduced: bool
    logits_format: FloatFormat | None
    rows: RowStream = field(repr=False)

    @property
    def origin(self) -> str:
        """The file that they are in."""
        return self.name

    def take(self, block: Block) -> Array:
        """Return the results of a block."""
        if self.reduced:
            return np.empty((0, 1))
        start, wanted = self.rows.taken, len(block.logits)
        got = self.rows.take(wanted)
        if len(got) < wanted:
            raise InputError(
                f"{self.name}: holds {counted(self.rows.taken, 'row')} of results, but the logits "
                "have more"
            )
        return in_format(got, self.format, self.name, self.stored_dtype, start)

    def logits(self, block: Block) -> Array:
        """Return the logits that the results of a block are of."""
        return (self.logits_format or self.format).round(block.logits)

    def value(self) -> float:
        """Return the single loss."""
        got = in_format(self.rows.take(1), self.format, self.name, self.stored_dtype, 0)
        return float(got[0, 0])

    def finish(self, source: Source) -> ResultsInfo:
        """Say what they were."""
        left = self.rows.left()
        if left and not self.reduced:
            total = self.rows.taken + left
            raise InputError(
                f"{self.name}: holds {counted(total, 'row')} of results, but the logits have "
                f"{self.rows.taken}"
            )
        shown = self.shape
        if shown is None:
            assert source.shape is not None  # noqa: S101  (every row has been read)
            shown = (self.rows.taken, *([self.classes] if self.classes > 1 else []))
        return ResultsInfo(self.name, shown, self.stored_dtype)


def results_of_array(
    array: Array,
    source: Source,
    quantity: str,
    *,
    name: str,
    dtype: str | None = None,
    logits_format: FloatFormat | None = None,
) -> FileResults:
    """Treat an array in memory as results, by the rules that files follow.

    Raises
    ------
    InputError
        Its shape does not fit the logits.
    """
    found = FORMATS[array.dtype.name] if dtype is None else find_format(dtype)
    ours = source.shape
    assert ours is not None  # noqa: S101  (arrays know their shape)
    if quantity in LOSSES:
        _check_losses(name, array.shape, source)
        layout = Layout((*array.shape, 1), array.ndim)
        array, classes = array[..., np.newaxis], 1
    else:
        _check_shape(name, array.shape, source.classes, source, quantity)
        layout = Layout(array.shape, source.axis if array.shape == ours else array.ndim - 1)
        classes = layout.classes
    rows = memory_rows(array, layout, max(1, (1 << 17) // classes))
    reduced = quantity in LOSSES and array.ndim == 1
    shape_ = array.shape[:-1] if quantity in LOSSES else array.shape
    return FileResults(
        name,
        array.dtype.name,
        shape_,
        classes,
        found,
        reduced=reduced,
        logits_format=logits_format,
        rows=RowStream(rows),
    )


def in_format(
    values: Array, target: FloatFormat, name: str, stored_dtype: str, start: int
) -> Array:
    """Return values in the carrier of a format, which has to hold them; text is rounded once.

    Raises
    ------
    InputError
        For a value that the format does not have.
    """
    rounded = target.round(values)
    if stored_dtype in (TEXT, target.name):
        return rounded
    with np.errstate(invalid="ignore"):
        foreign = (rounded != values) & ~np.isnan(values)
    if foreign.any():
        row, column = (int(place[0]) for place in np.nonzero(foreign))
        value = float(values[row, column])
        raise InputError(
            f"{visible(name)}: row {start + row}, column {column}: {number(value, 17)} is no "
            f"{target.name}, so these are not results in {target.name}; they are stored as "
            f"{stored_dtype}: use --dtype {stored_dtype}"
        )
    return rounded


def open_results(
    path: str,
    source: Source,
    quantity: str,
    *,
    dtype: str | None = None,
    dtype_of_text: str | None = None,
    logits_format: FloatFormat | None = None,
    header: str = "auto",
    key: str | None = None,
    input_dtype: str | None = None,
    taken: set[str] | None = None,
) -> FileResults:
    """Open a file of results: a shape that fits the logits, or the labels for a loss.

    `dtype` says which format they are in, whatever they are stored in; `dtype_of_text` only where
    a text file does not. With `taken`, `header`, `key` and `input_dtype` are said of the logits as
    well: those that fit the results are added.

    Raises
    ------
    InputError
        It cannot be read, or does not fit the logits.
    UsageError
        Its format is not known: text does not say it.
    """
    named = dtype, dtype_of_text
    header = header_of_results(path, header, source)
    if quantity in LOSSES:
        column = open_column(path, key=key, header=header, input_dtype=input_dtype, taken=taken)
        return _losses(path, column, source, named, logits_format)
    ours = source.shape
    open_ = partial(
        open_logits, [path], header=header, key=key, input_dtype=input_dtype, taken=taken
    )
    opened = open_(axis=-1)
    # The same layout as the logits': opened again, with the class axis where theirs is.
    if opened.shape is not None:
        if opened.shape == ours or (ours is None and len(opened.shape) == 2):
            opened = open_(axis=source.axis)
    elif source.axis == 0 and ours is not None:
        turned = open_(axis=0)
        opened = turned if turned.shape == ours else opened
    _check_shape(path, opened.shape, opened.classes, source, quantity)
    found = _format_of(path, opened.stored_dtype, named)
    rows = max(1, (1 << 17) // opened.classes)
    blocks = (block.logits for block in opened.blocks(rows))
    return FileResults(
        path,
        opened.stored_dtype,
        opened.shape,
        opened.classes,
        found,
        reduced=False,
        logits_format=logits_format,
        rows=RowStream(blocks),
    )


def _losses(
    path: str,
    column: Column,
    source: Source,
    named: tuple[str | None, str | None],
    logits_format: FloatFormat | None,
) -> FileResults:
    found = _format_of(path, column.stored_dtype, named)
    if column.shape is not None:
        _check_losses(path, column.shape, source)
    reduced = column.shape == ()
    return FileResults(
        path,
        column.stored_dtype,
        column.shape,
        1,
        found,
        reduced=reduced,
        logits_format=logits_format,
        rows=RowStream(column.blocks(1 << 16)),
    )


def _check_losses(name: str, lengths: tuple[int, ...], source: Source) -> None:
    ours = source.shape
    if ours is None or lengths == ():
        return
    others = tuple(n for axis, n in enumerate(ours) if axis != source.axis)
    rows = prod(others)
    if lengths not in {others, (rows,), (rows, 1), (1, rows)}:
        raise InputError(
            f"{visible(name)}: losses of shape {shape(lengths)} do not fit logits of shape "
            f"{shape(ours)}: one for each row has shape {shape(others)}, a reduced one is a single "
            "number"
        )


def _check_shape(
    name: str, theirs: tuple[int, ...] | None, classes: int, source: Source, quantity: str
) -> None:
    ours = source.shape
    fits = theirs is not None or classes == source.classes
    if theirs is not None and ours is not None:
        fits = theirs in {ours, (prod(ours) // source.classes, source.classes)}
    elif theirs is not None:
        fits = len(theirs) == 2 and theirs[1] == source.classes
    if not fits:
        their_shape = shape(theirs) if theirs is not None else f"rows × {classes}"
        our_shape = shape(ours) if ours is not None else f"rows × {source.classes}"
        raise InputError(
            f"{visible(name)}: results of shape {their_shape} do not fit logits of shape "
            f"{our_shape}; a {quantity} has the shape of its logits, or is rows × classes"
        )


def _format_of(path: str, stored_dtype: str, named: tuple[str | None, str | None]) -> FloatFormat:
    dtype, dtype_of_text = named
    if dtype is None and stored_dtype == TEXT:
        dtype = dtype_of_text
    if dtype is not None:
        return find_format(dtype)
    if stored_dtype in FORMATS:
        return FORMATS[stored_dtype]
    if stored_dtype == TEXT:
        raise UsageError(
            f"{visible(path)}: text does not say in which dtype these results were computed; name "
            "it with --dtype"
        )
    raise InputError(f"{visible(path)}: holds {stored_dtype}; results are floating-point numbers")

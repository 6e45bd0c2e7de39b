"""From paths to a `Source`: the reader is chosen by what a file holds, not by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from softmax_tool.errors import InputError, UsageError
from softmax_tool.ignored import IGNORED_LABEL
from softmax_tool.readers.dialect import label_column_index, sniffed
from softmax_tool.readers.labels import Expected, check_count, open_labels
from softmax_tool.readers.layout import Layout
from softmax_tool.readers.log import ReadLog
from softmax_tool.readers.npy import MAGIC, Numbers, checked_axis, numbers_of, read_header
from softmax_tool.readers.npz import ZIP_MAGIC, member
from softmax_tool.readers.origin import STDIN, gunzipped, head, origin_of
from softmax_tool.readers.parts import TEXT, ArrayPart, TextPart
from softmax_tool.readers.table import Table, check_parts, joint_name, joint_shape
from softmax_tool.readers.text import spooled_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from softmax_tool.readers.labels import Labels
    from softmax_tool.readers.origin import Origin
    from softmax_tool.readers.source import Source
    from softmax_tool.readers.table import Part

_GZIP_MAGIC = b"\x1f\x8b"
_FOREIGN = {
    _GZIP_MAGIC: "is gzipped twice; unpack it once",
    b"BZh": "is compressed by bzip2; decompress it first",
    b"\xfd7zXZ\0": "is compressed by xz; decompress it first",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; decompress it first",
    b"\x89HDF\r\n\x1a\n": "is an HDF5 file; save the array with numpy.save",
    b"PAR1": "is a Parquet file; save the table as CSV or with numpy.save",
    b"\x80\x02": "is a Python pickle, which is never loaded; save the array with numpy.save",
    b"\x80\x03": "is a Python pickle, which is never loaded; save the array with numpy.save",
    b"\x80\x04": "is a Python pickle, which is never loaded; save the array with numpy.save",
    b"\x80\x05": "is a Python pickle, which is never loaded; save the array with numpy.save",
}
_LONGEST_MAGIC = max(len(magic) for magic in (MAGIC, ZIP_MAGIC, *_FOREIGN))


def open_logits(
    paths: Sequence[str],
    *,
    axis: int = -1,
    header: str = "auto",
    key: str | None = None,
    input_dtype: str | None = None,
    labels: Sequence[str] = (),
    label_column: str | int | None = None,
    ignore_index: int = IGNORED_LABEL,
    stdin: BinaryIO | None = None,
    taken: set[str] | None = None,
    passed_over: frozenset[str] = frozenset(),
) -> Source:
    """Open one table of logits, with its labels, without reading its rows yet.

    Parameters
    ----------
    paths : sequence of str
        CSV, TSV, NPY or NPZ files, the text and NPY ones gzipped or not; `-` is standard input.
        Several are shards of one table along the first axis.
    axis : int
        The class axis.
    header : {"auto", "yes", "no"}
        Whether the first row of a text file is a header.
    key : str, optional
        Which array of an NPZ.
    input_dtype : str, optional
        What raw bytes and unsigned integers mean.
    labels : sequence of str
        Files of labels: none, one over all shards, or one for each.
    label_column : str or int, optional
        Name or index of the column of a text file that holds class indices.
    ignore_index : int
        The label that is allowed though it is not a class.
    stdin : binary stream, optional
        What `-` reads instead of the standard input.
    taken : set of str, optional
        Where `header`, `key` and `input_dtype` are said of other files as well: the names of those
        that fit these are added, and the others passed over.
    passed_over : frozenset of str
        Those of `header`, `input_dtype` and `label_column` that are said of whatever files they
        fit, perhaps of none.

    Raises
    ------
    InputError
        A file is missing, malformed, or does not fit the others.
    UsageError
        An option does not exist, or does not apply to what the files hold.
    """
    if not paths:
        raise UsageError("no input: name a file, or - for standard input")
    if header not in {"auto", "yes", "no"}:
        raise UsageError(f"--header {header!r} does not exist: auto, yes or no")
    if labels and label_column is not None:
        raise UsageError("--labels and --label-column: give one of them")
    if len(labels) not in {0, 1, len(paths)}:
        raise UsageError(
            f"{len(labels)} files of labels for {len(paths)} of logits: give one, or one for each"
        )
    if [*paths, *labels].count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    parts = [
        _part(
            open_origin(path, stdin),
            axis=axis,
            header=header,
            key=key,
            input_dtype=input_dtype,
            label_column=label_column,
            ignore_index=ignore_index,
            taken=taken,
            passed_over=passed_over,
        )
        for path in paths
    ]
    check_parts(parts)
    return Table(parts, _labels(labels, parts, ignore_index, stdin))


def open_origin(path: str, stdin: BinaryIO | None = None) -> Origin:
    """The bytes of a file, unpacked where it is gzipped, and refused where it is none of ours.

    Raises
    ------
    InputError
        It is missing, empty, unreadable, or in a foreign format.
    """
    origin = origin_of(path, stdin)
    if head(origin, len(_GZIP_MAGIC)) == _GZIP_MAGIC:
        origin = gunzipped(origin)
        if not head(origin, 1):
            raise InputError(f"{origin.name}: is empty inside its gzip wrapping")
    start = head(origin, _LONGEST_MAGIC)
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            raise InputError(f"{origin.name}: {what}")
    return origin


def is_text(origin: Origin) -> bool:
    """Tell text from arrays."""
    return not head(origin, len(MAGIC)).startswith((MAGIC, ZIP_MAGIC))


def _part(
    origin: Origin,
    *,
    axis: int,
    header: str,
    key: str | None,
    input_dtype: str | None,
    label_column: str | int | None,
    ignore_index: int,
    taken: set[str] | None,
    passed_over: frozenset[str],
) -> Part:
    is_zip = head(origin, len(ZIP_MAGIC)) == ZIP_MAGIC
    strict = taken is None
    if strict and key is not None and not is_zip:
        raise UsageError(f"{origin.name}: --key is for NPZ files, which this is not")
    if not is_text(origin):
        if label_column is not None and "label_column" not in passed_over:
            raise UsageError(f"{origin.name}: --label-column is for text; use --labels here")
        if strict and header != "auto" and "header" not in passed_over:
            raise UsageError(f"{origin.name}: --header is for text, which this is not")
        array = member(origin, key, taken=taken) if is_zip else origin
        if strict and "input_dtype" in passed_over:
            taken = set()
        return _array_part(array, axis, input_dtype, taken)
    if taken is not None:
        taken.add("header")
    elif input_dtype is not None and "input_dtype" not in passed_over:
        raise UsageError(f"{origin.name}: --input-dtype is for NPY and NPZ, not for text")
    return _text_part(origin, axis, header, label_column, ignore_index)


def _array_part(origin: Origin, axis: int, input_dtype: str | None, taken: set[str] | None) -> Part:
    header = read_header(origin)
    numbers = numbers_of(origin.name, header.dtype, input_dtype, taken)
    class_axis = checked_axis(origin.name, axis, len(header.shape))
    layout = Layout(header.shape, class_axis, header.fortran)
    return ArrayPart(origin, header, numbers, layout, numbers.name)


def _text_part(
    origin: Origin,
    axis: int,
    header: str,
    label_column: str | int | None,
    ignore_index: int,
) -> Part:
    class_axis = checked_axis(origin.name, axis, 2)
    dialect = sniffed(origin, header)
    if class_axis == 0:
        if label_column is not None:
            raise UsageError(
                f"{origin.name}: --label-column with --axis {axis}: the lines are the classes, "
                "so no column holds the labels; use --labels"
            )
        noticed = ReadLog()
        spool, shape = spooled_table(origin, dialect, noticed)
        numbers = Numbers(TEXT, shape.dtype, shape.dtype)
        return ArrayPart(
            spool, shape, numbers, Layout(shape.shape, 0), TEXT, dialect.names, noticed
        )
    if label_column is None:
        return TextPart(origin, dialect)
    index = label_column_index(origin.name, dialect, label_column)
    if dialect.columns == 1:
        raise InputError(f"{origin.name}: has one column, the labels, and no logits beside it")
    return TextPart(origin, dialect, index, str(label_column), ignore_index)


def _labels(
    paths: Sequence[str], parts: Sequence[Part], ignore_index: int, stdin: BinaryIO | None
) -> list[Labels]:
    if not paths:
        return []
    groups = [[part] for part in parts] if len(paths) == len(parts) else [list(parts)]
    opened = []
    for path, group in zip(paths, groups, strict=True):
        expected = Expected(
            name=joint_name(group),
            shape=joint_shape(group),
            axis=group[0].axis,
            classes=group[0].classes,
            single_row=len(group) == 1 and group[0].single_row,
        )
        origin = open_origin(path, stdin)
        if head(origin, len(ZIP_MAGIC)) == ZIP_MAGIC:
            origin = member(origin, None, "--key is for the logits, so save the labels alone")
        one = open_labels(origin, expected, ignore_index)
        if one.count is not None and expected.rows is not None:
            check_count(one, one.count, expected.name, expected.rows)
        opened.append(one)
    if len({one.kind for one in opened}) > 1:
        other = next(one for one in opened if one.kind != opened[0].kind)
        raise InputError(
            f"{other.name}: holds {other.kind}, but {opened[0].name} holds {opened[0].kind}"
        )
    return opened

"""NPZ files: one array of a zip archive."""

from __future__ import annotations

import struct
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from softmax_tool.errors import InputError, UsageError
from softmax_tool.readers.npy import MAGIC
from softmax_tool.readers.origin import Origin, head, reading, spooled
from softmax_tool.readers.shown import listed, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.readers.origin import Opens

ZIP_MAGIC = b"PK"
_SUFFIX = ".npy"


def member(
    origin: Origin,
    key: str | None,
    way_out: str = "choose one with --key",
    taken: set[str] | None = None,
) -> Origin:
    """The NPY file in an archive that `key` names, or the only one; `way_out` ends the message.

    With `taken` the key may be meant for another archive than one of a single array; it is added
    where it names an array of this one.

    Raises
    ------
    InputError
        The archive is damaged, encrypted, holds no arrays, or two of the name.
    UsageError
        There is no such array, or several and no key.
    """
    if not origin.seekable:
        origin = spooled(origin)
    name = origin.name
    with _archive(origin) as archive:
        members = archive.namelist()
        keys = [each.removesuffix(_SUFFIX) for each in members if each.endswith(_SUFFIX)]
        if not keys:
            held = f"only {listed(members)}" if members else "nothing"
            advice = (
                "looks like a PyTorch file: save the array with numpy.save"
                if any(each.endswith("data.pkl") for each in members)
                else "save arrays with numpy.savez"
            )
            raise InputError(f"{name}: is a zip archive without arrays, it holds {held}; {advice}")
        if key is None and len(set(keys)) > 1:
            raise UsageError(f"{name}: holds {len(keys)} arrays; {way_out}: {listed(keys)}")
        if taken is not None and key in keys:
            taken.add("key")
        elif taken is not None and len(set(keys)) == 1:
            key = None
        if key is not None and key not in keys:
            raise UsageError(f"{name}: has no array {quoted(key)}; --key can be: {listed(keys)}")
        chosen = keys[0] if key is None else key
        if keys.count(chosen) > 1:
            raise InputError(
                f"{name}: holds {keys.count(chosen)} arrays called {quoted(chosen)}; save each "
                "under a name of its own"
            )
        info = archive.getinfo(chosen + _SUFFIX)
    label = f"{name}: array {quoted(chosen)}"
    if info.flag_bits & 1:
        raise InputError(f"{label}: is encrypted; save it without a password")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise InputError(f"{label}: is compressed in a way that is not read; use numpy.savez")
    packed = Origin(origin.path, label, _opener(origin, label, info), False, info.file_size)
    if head(packed, len(MAGIC)) != MAGIC:
        raise InputError(f"{label}: is not in NPY format")
    return packed


def _opener(origin: Origin, label: str, info: zipfile.ZipInfo) -> Opens:
    @contextmanager
    def opened(*, last: bool) -> Iterator[BinaryIO]:  # noqa: ARG001  # can be opened again
        with _archive(origin) as archive, reading(label):
            try:
                stream = archive.open(info)
            except (NotImplementedError, OverflowError, RuntimeError, ValueError, struct.error):
                raise zipfile.BadZipFile from None
            with stream:
                yield cast("BinaryIO", stream)

    return opened


@contextmanager
def _archive(origin: Origin) -> Iterator[zipfile.ZipFile]:
    with origin.open(last=False) as stream, reading(origin.name):
        try:
            archive = zipfile.ZipFile(stream)
        except (NotImplementedError, OverflowError, ValueError, struct.error):
            raise zipfile.BadZipFile from None
        with archive:
            yield archive

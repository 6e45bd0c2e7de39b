"""Writes every sample of malformed input in this folder, the same bytes each time.

    python tests/bad_files/make.py

`expected.json` says with which options each is opened, and what the message must be.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
TABLE = np.arange(12, dtype=np.float32).reshape(4, 3) / 4


def npy(array: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(array), **options)
    return buffer.getvalue()


def npy_with_header(header: str, data: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    width = 2 if version == (1, 0) else 4
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + bytes(version) + len(text).to_bytes(width, "little") + text + data


def shaped(shape: str, data: bytes = b"\0" * 48, descr: str = "'<f4'") -> bytes:
    return npy_with_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}", data)


def archive(members: dict[str, bytes], *, compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(buffer, "w", method) as target:
        for name, data in members.items():
            target.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]


def encrypted(data: bytes) -> bytes:
    # Bit 0 of the flags, in the local header and in the central directory.
    local, central = data.index(b"PK\3\4") + 6, data.index(b"PK\1\2") + 8
    marked = bytearray(data)
    marked[local] |= 1
    marked[central] |= 1
    return bytes(marked)


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


TEXT = {
    "annotated_row.csv": "0.5,1.5,2.5\n# a comment\n\n1,2,three # three is a word\n",
    "bidi.csv": "0.5,1.5\n2,\u202e3\n",
    "blank_delimited_ragged.txt": "0.5 1.5  2.5\n1\t2\n",
    "comment_behind_a_number.csv": "0.5,1.5\n1,2# two\n",
    "comment_behind_the_first_row.csv": "0.5,1.5# three halves\n1,2\n",
    "comments_only.csv": "# one\n\n# two\n",
    "control.csv": "0.5,1.5\n2,3\x1b[31m4\n",
    "counting_header.csv": "0,1,2\n0.5,1.5,2.5\n",
    "counting_header_many.csv": "0,1,2,3,4,5\n0.5,1.5,2.5,3.5,4.5,5.5\n",
    "decimal_comma.csv": "0,5;1,5\n2,5;3,5\n",
    "decimal_comma_row.csv": "0.5;1.5\n2,5;3.5\n",
    "duplicate_columns.csv": "a,a,b\n1,2,3\n",
    "empty.csv": "",
    "empty_cell.csv": "0.5,1.5,2.5\n1,,3\n",
    "empty_first_cell.csv": ",a,b\n0,0.5,1.5\n",
    "empty_last_cell.csv": "0.5,1.5,2.5\n1,2,\n",
    "empty_quoted_cell.csv": '0.5,1.5\n"",2\n',
    "header_only.csv": "a,b,c\n",
    "header_wider.csv": "a,b,c\n1,2\n",
    "hexadecimal.csv": "0.5,1.5\n0x10,2\n",
    "infinity_of_old.csv": "0.5,1.5\n1.#INF,2\n",
    "infinity_of_old_first.csv": "-1.#IND00,1.5\n1,2\n",
    "label_beyond.csv": "a,b,label\n0.5,1.5,1\n# two classes\n2.5,3.5,2\n",
    "label_column_alone.csv": "label\n0\n1\n",
    "label_fraction.csv": "a,b,label\n0.5,1.5,0.5\n",
    "long_word.csv": "0.5,1.5\n" + "x" * 100 + ",2\n",
    "long_ragged.csv": "0.5,1.5\n" + "1,2\n" * 70 + "1,2,3\n",
    "number_only_header.csv": "1,2,3\n",
    "open_quote.csv": '0.5,1.5\n"1,2\n3,4\n',
    "quote_inside.csv": '0.5,1.5\n"1"2,3\n',
    "quoted_line_end.csv": '0.5,1.5\n"1\n2",3\n',
    "ragged.csv": "0.5,1.5,2.5\n1,2\n3,4,5\n",
    "ragged_long.csv": "0.5,1.5,2.5\n1,2,3,4\n",
    "ragged_blank_lines.tsv": "0.5\t1.5\n\n\n1\t2\t3\n",
    "minus_sign.csv": "0.5,1.5\n\u22121,2\n",
    "thousands.csv": "0.5;1.5\n1,000;2\n",
    "two_numbers_in_a_cell.csv": "0.5,1.5\n1 2,3\n",
    "underscore.csv": "0.5,1.5\n1_0,2\n",
    "word.csv": "0.5,1.5\n1,n/a\n",
    "word_beside_header.csv": "a,b\n1,NA\n",
    # Labels of the four rows and three classes of `good.npy`.
    "labels_beyond.csv": "0\n1\n12\n2\n",
    "labels_empty_line_word.csv": "label\n0\n\nfour\n1\n",
    "labels_few.csv": "0\n1\n2\n",
    "labels_fraction.csv": "0\n1\n3.5\n2\n",
    "labels_huge.csv": "0\n1\n1e300\n2\n",
    "labels_infinite.csv": "0\n1\ninf\n2\n",
    "labels_many.csv": "0\n1\n2\n0\n1\n",
    "labels_nan.csv": "0\n1\nnan\n2\n",
    "labels_negative.csv": "0\n-1\n1\n2\n",
    "labels_row_beyond.csv": "0,1,3,2\n",
    "labels_two_columns.csv": "0,1\n1,1\n2,0\n3,2\n",
    "probabilities_few.csv": "0.2,0.3,0.5\n0,1,0\n",
    "probabilities_negative.csv": "0.2,0.3,0.5\n0,1,0\n-0.5,1,0.5\n1,0,0\n",
    "probabilities_nan.csv": "0.2,0.3,0.5\n0,nan,0\n0.5,0,0.5\n1,0,0\n",
    "probabilities_transposed_shape.csv": "0,1,0,1\n1,0,1,0\n",
    # Two shards that do not fit.
    "shard_a.csv": "a,b\n1,2\n",
    "shard_b.csv": "a,c\n3,4\n",
    "shard_c.csv": "a,b,c\n3,4,5\n",
}

BINARY = {
    "good.npy": npy(TABLE),
    "good_half.npy": npy(TABLE.astype(np.float16)),
    "good.csv": b"0.5,1.5,2.5\n1,2,3\n4,5,6\n7,8,9\n",
    "utf16.csv": b"\xff\xfe" + "0.5,1.5\n".encode("utf-16-le"),
    "utf16_unmarked.csv": "0.5,1.5\n".encode("utf-16-le"),
    "utf32.csv": b"\xff\xfe\0\0" + "0.5,1.5\n".encode("utf-32-le"),
    "utf32_big_endian.csv": b"\0\0\xfe\xff" + "0.5,1.5\n".encode("utf-32-be"),
    "nul.csv": b"0.5,1.5\n1,\x002\n",
    "latin1.csv": b"0.5,1.5\n1,2 # caf\xe9\n",
    "cut.csv.gz": gzipped(b"0.5,1.5\n" * 1000)[:-12],
    "damaged.csv.gz": flipped(gzipped(b"0.5,1.5\n" * 1000), -6),
    "empty.csv.gz": gzipped(b""),
    "twice.csv.gz": gzipped(gzipped(b"1,2\n")),
    "not_gzip.csv": b"\x1f\x8bnot gzip at all",
    "boolean.npy": npy(TABLE > 1),
    "bytes_short_header.npy": npy(TABLE)[:40],
    "complex.npy": npy(TABLE.astype(np.complex64)),
    "cut.npy": npy(TABLE)[:-5],
    "cut.npy.gz": gzipped(npy(TABLE)[:-5]),
    "cut_magic.npy": npy(TABLE)[:7],
    "datetime.npy": npy(np.zeros((2, 2), "datetime64[s]")),
    "header_damaged.npy": npy_with_header("{'descr': '<f4', 'fortran_order': Fal"),
    "header_huge.npy": b"\x93NUMPY\2\0\xff\xff\xff\xff{'descr': '<f4'",
    "header_nested.npy": npy_with_header("(" * 5000),
    "no_classes.npy": npy(np.zeros((4, 0), np.float32)),
    "no_rows.npy": npy(np.zeros((0, 3), np.float32)),
    "objects.npy": npy(np.array([[1, None]], object), allow_pickle=True),
    "raw1.npy": shaped("(4, 3)", b"\0" * 12, "'|V1'"),
    "raw2.npy": shaped("(4, 3)", b"\0" * 24, "'|V2'"),
    "raw3.npy": shaped("(4, 3)", b"\0" * 36, "'|V3'"),
    "scalar.npy": npy(np.float32(1)),
    "shape_huge.npy": shaped("(99999999999999999999, 3)"),
    "shape_large.npy": shaped("(1000000000, 3)"),
    "shape_negative.npy": shaped("(4, -3)"),
    "shape_not_numbers.npy": shaped("(4, 'x')"),
    "strings.npy": npy(np.array([["1", "2"]])),
    "structured.npy": npy(np.zeros(3, [("a", "f4"), ("b", "f4")])),
    "subarray.npy": shaped("(4,)", b"\0" * 48, "('<f4', (3,))"),
    "trailing.npy": npy(TABLE) + npy(TABLE),
    "uint8.npy": npy(np.zeros((4, 3), np.uint8)),
    "uint16.npy": npy(np.zeros((4, 3), np.uint16)),
    "uint64.npy": npy(np.array([[1, 2], [3, 2**63]], np.uint64)),
    "version9.npy": b"\x93NUMPY\x09\0" + npy(TABLE)[8:],
    "four_classes.npy": npy(np.zeros((4, 4), np.float32)),
    "labels_beyond.npy": npy(np.array([0, 1, 2, 3])),
    "labels_boolean.npy": npy(np.array([True, False, True, False])),
    "labels_few.npy": npy(np.array([0, 1, 2])),
    "labels_fraction.npy": npy(np.array([0, 1.5, 2, 0])),
    "labels_nan.npy": npy(np.array([0, 1, 2, np.nan], np.float32)),
    "labels_one_hot.npy": npy(np.eye(4, 3, dtype=np.int64)),
    "labels_shape.npy": npy(np.zeros((2, 2), np.int64)),
    "probabilities_beyond.npy": npy(np.array([[0, 0, 1], [0, 1.5, 0], [1, 0, 0], [0, 1, 0]])),
    "bad_checksum.npz": flipped(archive({"a.npy": npy(TABLE)}), 200),
    "cut.npz": archive({"a.npy": npy(TABLE)})[:-30],
    "cut_member.npz": archive({"a.npy": npy(TABLE)[:-5]}, compressed=True),
    "encrypted.npz": encrypted(archive({"a.npy": npy(TABLE)})),
    "no_arrays.npz": archive({"readme.txt": b"hello"}),
    "no_members.npz": archive({}),
    "not_npy.npz": archive({"a.npy": b"hello"}),
    "torch.pt": archive({"archive/data.pkl": b"\x80\x02", "archive/data/0": b"\0" * 8}),
    "two_arrays.npz": archive({"a.npy": npy(TABLE), "b.npy": npy(TABLE)}),
    "pickle.pkl": b"\x80\x04\x95\x00",
    "table.parquet": b"PAR1\x15\x04",
    "table.h5": b"\x89HDF\r\n\x1a\n\0",
    "table.csv.xz": b"\xfd7zXZ\x00\x00\x04",
    "table.csv.bz2": b"BZh91AY&SY",
    "table.csv.zst": b"\x28\xb5\x2f\xfd\x04",
}


def samples() -> dict[str, bytes]:
    """Every file of the folder with its bytes."""
    return {**{name: text.encode() for name, text in TEXT.items()}, **BINARY}


def main() -> None:
    for name, data in samples().items():
        (FOLDER / name).write_bytes(data)


if __name__ == "__main__":
    main()

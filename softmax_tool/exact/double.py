"""The reference for formats up to float32: float64 arithmetic in the log1p form.

Right relatively everywhere: at a row's maximum log-softmax is −log1p of the sum over the others,
so that it does not cancel near 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.arithmetic.selection import row_min
from softmax_tool.arithmetic.tree import combine_leaves
from softmax_tool.exact.values import Exact, Reference, RowValues, everywhere
from softmax_tool.extremes import Extremes
from softmax_tool.frozen import frozen_with_memory
from softmax_tool.once import once
from softmax_tool.row_sets import rows_of
from softmax_tool.tiling import Scratch, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.values import Array, Columns, Indices, Mask
    from softmax_tool.tiling import Tile

_U = 2.0**-53
_TILE = 1 << 17  # logits that are added up at a time: shorter runs are cast at half the speed
# NumPy's exp and log1p are within 4 ULP on every processor, and an ULP is up to 2 u.
_FUNCTION = 8.0


def softmax_error(
    rows: RowValues, shifted: Array, classes: int, *, exact_shift: bool | Mask
) -> Array:
    """Bound the relative error of softmax values that are not subnormal.

    The shift, where it rounds, costs |z| u relative to e**z, u = 2**-53; exp 8 u; the sum of the
    others its own error by their share; 1 + T and the quotient one u each.
    """
    shift = np.where(exact_shift, 0.0, np.abs(shifted))
    of_sum = _sum_error(rows, classes, exact_shift=exact_shift)
    return np.asarray((shift + _FUNCTION + of_sum + 3) * _U * 1.01)


def log_softmax_error(
    rows: RowValues, values: Array, classes: int, *, exact_shift: bool | Mask
) -> Array:
    """Bound the relative error of log-softmax values that are not subnormal.

    With T the sum over the others, log1p(T) is off by T/(1 + T) times the relative error of T, and
    by 8 u of itself; the shift, where it rounds, and the difference, of numbers of one sign, cost u
    each.
    """
    of_row = _sum_error(rows, classes, exact_shift=exact_shift) + _FUNCTION * rows.log_sum
    with np.errstate(all="ignore"):
        relative = np.where(of_row > 0, of_row / np.abs(values), 0.0)
    return np.asarray((relative + np.where(exact_shift, 1, 2)) * _U * 1.01)


def _sum_error(rows: RowValues, classes: int, *, exact_shift: bool | Mask) -> Array:
    """Bound the error of T as a share of 1 + T, in u.

    It is that of its terms on average, and of 36 + ⌈log2⌉ sums.

    NumPy adds up to 128 numbers in 8 lanes, 15 + 3 + 7 additions deep, and halves what is longer,
    a tile 11 times at most; then tiles are added in pairs.
    """
    share = -np.expm1(-rows.log_sum)
    with np.errstate(all="ignore"):
        spread = np.where(share > 0, rows.mean_shift / share, 0.0)
    shift = np.where(exact_shift, 0.0, np.minimum(spread, 1000.0))
    return np.asarray((shift + _FUNCTION + 36 + (classes // _TILE).bit_length()) * share)


def reference(logits: NDArray[Any], extremes: Extremes | None = None) -> Reference:
    """Return the true softmax and log-softmax of logits (rows, classes) of any floating type.

    Relative error of each element: `softmax_error` and `log_softmax_error`.
    """
    with np.errstate(all="ignore"):
        rows, *others = _of_rows(logits, extremes or Extremes(logits))
    return Reference(rows, Float64Elements(logits, rows, *others), logits.shape[1])


def _of_rows(logits: NDArray[Any], extremes: Extremes) -> tuple[RowValues, Array, Array]:
    """Return what belongs to rows, T, the sum of exp z over all but the first maximum, and least z.

    That is the least that is not -inf.
    """
    rows, classes = logits.shape
    first = extremes.highest
    maximum = extremes.at(first).astype(np.float64)
    minimum = extremes.minimum.astype(np.float64)
    parts = -(-classes // _TILE)
    sums, shifts, least = (np.empty((rows, parts)) for _ in range(3))
    z_scratch, e_scratch = (Scratch(logits.shape, elements=_TILE) for _ in range(2))
    any_masked = bool((minimum == -np.inf).any())
    for tile in tiles(logits.shape, _TILE):
        above, columns = tile
        z = z_scratch.like(logits[tile])
        _write_shifted(z, logits[tile], maximum[above])
        e = np.exp(z, out=e_scratch.like(z))
        part = columns.start // _TILE
        _drop(e, first[above] - columns.start)
        np.add.reduce(e, axis=1, out=sums[above, part])
        if any_masked:
            z[z == -np.inf] = 0.0
            np.minimum.reduce(z, axis=1, out=least[above, part])
        np.add.reduce(np.multiply(e, z, out=z), axis=1, out=shifts[above, part])
    others = combine_leaves(sums)
    mean_shift = np.abs(combine_leaves(shifts)) / (1 + others)
    alone = np.zeros((rows, 1), bool)
    if classes == 1 or any_masked:
        alone = np.count_nonzero(logits != -np.inf, axis=1, keepdims=True) == 1
    invalid = ~np.isfinite(maximum)
    lowest = row_min(least) if any_masked else minimum - maximum
    return RowValues(maximum, minimum, np.log1p(others), mean_shift, invalid, alone), others, lowest


def _write_shifted(z: Array, x: NDArray[Any], maximum: Array) -> None:
    # A cast of its own is quicker than one on the way.
    np.copyto(z, x)
    np.subtract(z, _scalar(maximum), out=z)


def _drop(e: Array, columns: NDArray[np.intp]) -> None:
    """Write 0 in one column of each row, where the tile holds it."""
    inside = np.flatnonzero((columns >= 0) & (columns < e.shape[1]))
    e[inside, columns[inside]] = 0.0


@frozen_with_memory
class Float64Elements:
    """Elements made in float64 when they are asked for."""

    logits: NDArray[Any]  # of any columns
    rows: RowValues
    others: Array
    lowest: Array  # the least x − max x of each whole row that is not -inf, (rows, 1)

    def __getitem__(self, rows: Any) -> Float64Elements:
        logits, others = rows_of(self.logits, rows), rows_of(self.others, rows)
        return Float64Elements(logits, self.rows[rows], others, rows_of(self.lowest, rows))

    def at(self, columns: Columns) -> Float64Elements:
        picked = np.take_along_axis(self.logits, columns, axis=1)
        return Float64Elements(picked, self.rows, self.others, self.lowest)

    def pick(self, rows: Indices, columns: Indices) -> Float64Elements:
        picked = self.logits[rows, columns][:, None]
        others, lowest = self.others, self.lowest
        if len(others) > 1:
            others, lowest = others[rows], lowest[rows]
        return Float64Elements(picked, self.rows.pick(rows), others, lowest)

    @once
    def masked(self) -> Mask:
        if not self._any_masked:
            return everywhere(False, self.logits.shape)
        return np.asarray(self.logits == -np.inf)

    @once
    def _any_masked(self) -> bool:
        return not (self.rows.minimum > -np.inf).all()

    @once
    def shifted(self) -> Array:
        with np.errstate(all="ignore"):
            return self.logits.astype(np.float64) - self.rows.maximum

    @once
    def softmax(self) -> Exact:
        hi = np.empty(self.logits.shape)
        with np.errstate(all="ignore"):
            for tile in tiles(hi.shape):
                self.write_softmax(tile, hi[tile])
        nonzero = ~self.masked if self._any_masked else everywhere(True, hi.shape)
        return Exact(hi, None, nonzero, everywhere(False, hi.shape))

    @once
    def log_softmax(self) -> Exact:
        hi = np.empty(self.logits.shape)
        with np.errstate(all="ignore"):
            for tile in tiles(hi.shape):
                self.write_log_softmax(tile, hi[tile])
        alone = self.rows.alone
        nonzero = everywhere(True, hi.shape)
        if np.count_nonzero(alone):
            nonzero = np.broadcast_to(~alone, hi.shape)
        if self._any_masked:
            nonzero = self.masked | nonzero
        return Exact(hi, None, nonzero, self.masked)

    def write_softmax(self, tile: Tile, hi: Array) -> None:
        """Write the softmax of a tile; warnings are the caller's."""
        others = _of_tile(self.others, tile)
        total = 1 + others
        self._write_shifted(tile, hi)
        np.divide(np.exp(hi, out=hi), _scalar(total), out=hi)
        # Below 1 by less than float64 can tell, but below: its ULP is that of the binade below.
        if (total == 1).any():
            hi[(hi == 1) & ~_of_tile(self.rows.alone, tile)] = np.nextafter(1.0, 0.0)

    def write_log_softmax(self, tile: Tile, hi: Array) -> None:
        """Write the log-softmax of a tile; warnings are the caller's."""
        self._write_shifted(tile, hi)
        np.subtract(hi, _scalar(_of_tile(self.rows.log_sum, tile)), out=hi)

    def _write_shifted(self, tile: Tile, hi: Array) -> None:
        _write_shifted(hi, self.logits[tile], _of_tile(self.rows.maximum, tile))


def _of_tile(of_rows: NDArray[Any], tile: Tile) -> NDArray[Any]:
    """Return what belongs to the rows of a tile: of one row, as it broadcasts."""
    return of_rows if len(of_rows) == 1 else of_rows[tile[0]]


def _scalar(of_rows: Array) -> Any:
    """Return the number of a single row, which is quicker to compute with, or all of them."""
    return of_rows if len(of_rows) > 1 else of_rows[0, 0]

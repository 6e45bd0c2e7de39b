"""True values of float32 results, tile by tile, and how far they lie from the nearest float32.

A float64 has 29 bits more than a float32. So where a result is among the neighbours of the true
value, its error is a whole number of 2**-29 ULP, which an int32 holds: errors of float32 results
are exact in 32 bits, at half the cost of float64. Where errors of more than three ULP are common,
as those of softmax are, they are kept in units of 2**-24 ULP, an odd number of which says that the
error lies between the even ones next to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from softmax_tool.formats import FLOAT32, ulp_exponent
from softmax_tool.frozen import frozen, frozen_with_memory
from softmax_tool.once import once
from softmax_tool.tiling import Scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from softmax_tool.exact.escalation import SettledElements
    from softmax_tool.exact.values import Array
    from softmax_tool.tiling import Tile

    Indices = NDArray[np.intp]
    Mask = NDArray[np.bool_]

PLACES = 29  # bits of a float64 that a float32 has not
# Magnitudes of true values of which all that is made here, one over an ULP too, is a normal number.
LEAST, MOST = 2.0**-70, 2.0**120

COARSE_PLACES = 24

_HALF = 1 << (PLACES - 1)
_LOW_BITS = (1 << PLACES) - 1
_FRACTION_BITS = 23
_FRACTION = (1 << _FRACTION_BITS) - 1
_EXPONENT = 0xFF << _FRACTION_BITS
_BIAS = 127
_STAND_IN = -1.25 - 2.0**-25  # far from what lies halfway between two float32 numbers


@frozen
class Lone:
    """Elements whose true magnitudes are below LEAST, at most one of a row; arrays are (some,)."""

    places: Indices  # in a tile, or counted through the rows of a block
    values: Array

    def rows_and_columns(self, width: int) -> tuple[Indices, Indices]:
        """Return where they are, in what is so wide."""
        rows, columns = np.divmod(self.places, width)
        return rows, columns

    @property
    def rounded(self) -> NDArray[np.float32]:
        """The true values, rounded."""
        return self.values.astype(np.float32)

    @property
    def scale(self) -> Array:
        """One over an ULP."""
        return np.asarray(np.ldexp(1.0, -ulp_exponent(self.values, FLOAT32)))


@frozen_with_memory
class Float32Tile:
    """The true values of a tile; every array has its shape, and is overwritten by the next.

    Errors are told in units of 2**-places ULP; not so those of a tile that `is_apart`. In place of
    each `lone` element there is another number, and what belongs to it.
    """

    values: Array
    rounded: NDArray[np.float32]
    rest: NDArray[np.int32]  # rounded less true value, in units of 2**-29 ULP
    near_boundary: bool
    places: int
    per_unit: NDArray[np.float32]  # one over such a unit
    lone: Lone

    @once
    def every_value(self) -> Array:
        """The true values with those of lone elements."""
        return _with(self.values, self.lone.places, self.lone.values)

    @once
    def every_rounded(self) -> NDArray[np.float32]:
        """All of them rounded."""
        return np.asarray(_with(self.rounded, self.lone.places, self.lone.rounded))

    @once
    def unit(self) -> NDArray[np.float32]:
        """Such a unit."""
        bits = np.uint32(2 * _BIAS << _FRACTION_BITS) - self.per_unit.view(np.uint32)
        return bits.view(np.float32)

    @once
    def largest_unit(self) -> float:
        """The largest of them."""
        return float(np.maximum.reduce(self.unit, axis=None))

    @once
    def relative_unit(self) -> NDArray[np.float32]:
        """Such a unit, as a fraction of the true value."""
        return np.divide(self.unit, self.rounded)

    @once
    def rest_in_units(self) -> NDArray[np.int32]:
        """The rest in such units, odd where it lies between two of them."""
        if self.places == PLACES:
            return self.rest
        return (self.rest >> np.int32(PLACES - self.places)) | np.int32(1)

    @once
    def left_out(self) -> NDArray[np.int32]:
        """What that misses of the rest, in units of 2**-29 ULP."""
        return self.rest - (self.rest_in_units << np.int32(PLACES - self.places))

    @once
    def scale(self) -> Array:
        """One over an ULP, in float64, with that of lone elements."""
        scale = self.per_unit * np.float64(2.0**-self.places)
        scale.reshape(-1)[self.lone.places] = self.lone.scale
        return scale

    @property
    def is_apart(self) -> bool:
        """Whether an odd number of units may be on the wrong side of half an ULP."""
        return self.places != PLACES and self.near_boundary

    def in_ulp(self, distance: Array) -> Array:
        """Return distances in ULP, in their own place."""
        return np.multiply(distance, self.scale, out=distance)

    def largest_in_ulp(self, distance: NDArray[np.float32]) -> float:
        """Return the largest of distances in ULP, overwriting them."""
        flat, of_lone = distance.reshape(-1), np.float64(0)
        if self.lone.places.size:
            of_lone = np.max(flat[self.lone.places] * self.lone.scale)
            flat[self.lone.places] = 0
        np.multiply(distance, self.per_unit, out=distance)
        largest = np.float64(np.maximum.reduce(distance, axis=None)) * 2.0**-self.places
        return float(np.maximum(largest, of_lone))


class Float32Tiles:
    """Makes the true values of one quantity, without ever holding those of a whole block.

    Tiles have up to `size` elements. The values must be normal numbers with magnitudes from LEAST
    to MOST, but that of each row's largest logit, in column `leaders`, which may be nearer to 0.
    Where float64 cannot decide one, all values of its row are made anew: then they are to be taken
    from those that are `settled`.
    """

    def __init__(
        self,
        elements: SettledElements,
        leaders: Indices,
        size: int,
        *,
        logarithm: bool,
        settled: bool,
    ) -> None:
        self._elements, self._logarithm = elements, logarithm
        self._settled = elements.values(logarithm=logarithm).hi if settled else None
        self.places = PLACES if logarithm else COARSE_PLACES
        # As bits of a float32: less a number's exponent, this is that of one over the unit.
        self._to_per_unit = (2 * _BIAS + _FRACTION_BITS + self.places) << _FRACTION_BITS
        shape = elements.plain.logits.shape
        self._classes = shape[1]
        self._values = Scratch(shape, np.float64, size)
        self._rounded, self._per_unit = (Scratch(shape, np.float32, size) for _ in range(2))
        self._rest = Scratch(shape, np.int32, size)
        self.lone = self._find_lone(leaders)
        self.least_magnitudes = self._least_magnitudes()
        tolerance = elements.tolerance(logarithm=logarithm, least=self.least_magnitudes)
        # Two more than the bits that the tolerance reaches: what is rounded twice on the way.
        self._margin = 2 + int(tolerance * 2.0**53)

    @property
    def undecided(self) -> bool:
        """Whether float64 cannot decide a lone value, or on which side of a power of two one is."""
        if self._settled is not None:
            return False
        if self._logarithm and self._elements.log_by_a_power.size:
            return True
        if not self.lone.places.size:
            return False
        where = self.lone.rows_and_columns(self._classes)
        return bool(self._elements.decide(self.lone.values, *where, logarithm=True).any())

    def at(self, tile: Tile) -> Float32Tile | None:
        """Return the true values of a tile, None where float64 cannot decide one of them."""
        logits = self._elements.plain.logits[tile]
        values = self._values.like(logits)
        self._write(tile, values)
        lone = self._lone_of(tile)
        values.reshape(-1)[lone.places] = _STAND_IN
        rounded = self._rounded.like(logits)
        np.copyto(rounded, values, casting="same_kind")
        rest = self._rest.like(logits)
        np.copyto(rest, values.view(np.int64), casting="unsafe")
        # The low bits of a value on a boundary are 100…0, and so become 0 or a little more.
        np.add(rest, _HALF + self._margin, out=rest)
        np.bitwise_and(rest, _LOW_BITS, out=rest)
        near = np.empty(0, np.intp)
        if np.minimum.reduce(rest, axis=None) < 2 * self._margin:
            near = np.flatnonzero(rest < 2 * self._margin)
            if self._settled is None:
                rows, columns = np.divmod(near, values.shape[1])
                some = values.reshape(-1)[near]
                if self._decide(some, rows + tile[0].start, columns + tile[1].start).any():
                    return None
                values.reshape(-1)[near], rounded.reshape(-1)[near] = some, some
        # What the low bits are above is what rounding takes from a magnitude.
        if self._logarithm:
            np.subtract(rest, self._margin + _HALF, out=rest)
        else:
            np.subtract(self._margin + _HALF, rest, out=rest)
        per_unit = self._per_unit.like(logits)
        of_rounded, scratch = rounded.view(np.uint32), per_unit.view(np.uint32)
        np.bitwise_and(of_rounded, _FRACTION, out=scratch)
        is_power = np.minimum.reduce(scratch, axis=None) == 0
        np.bitwise_and(of_rounded, _EXPONENT, out=scratch)
        np.subtract(self._to_per_unit, scratch, out=scratch)
        if is_power:
            # A true value that rounds up to a power of two has the ULP of the binade below.
            powers = np.flatnonzero((of_rounded & np.uint32(_FRACTION)) == 0)
            below = np.abs(values.reshape(-1)[powers]) < np.abs(rounded.reshape(-1)[powers])
            per_unit.reshape(-1)[powers[below]] *= 2
        if self._logarithm and near.size:
            # The low bits do not tell on which side of a boundary these are rounded.
            missed = rounded.reshape(-1)[near] - values.reshape(-1)[near]
            rest.reshape(-1)[near] = missed * per_unit.reshape(-1)[near]
        return Float32Tile(values, rounded, rest, near.size > 0, self.places, per_unit, lone)

    def at_places(self, rows: Indices, columns: Indices) -> Array:
        """Return the true values in some places, (some,)."""
        if self._settled is not None:
            return np.asarray(self._settled[rows, columns])
        some = self._elements.plain.pick(rows, columns)
        values = (some.log_softmax if self._logarithm else some.softmax).hi[:, 0]
        self._decide(values, rows, columns)
        return values

    def _write(self, tile: Tile, values: Array) -> None:
        if self._settled is not None:
            np.copyto(values, self._settled[tile])
        elif self._logarithm:
            self._elements.plain.write_log_softmax(tile, values)
        else:
            self._elements.plain.write_softmax(tile, values)

    def _decide(self, values: Array, rows: Indices, columns: Indices) -> Mask:
        return self._elements.decide(values, rows, columns, logarithm=self._logarithm)

    def _least_magnitudes(self) -> Array:
        """Return what no value of log-softmax that is not lone is nearer to 0 than, (rows, 1)."""
        plain = self._elements.plain
        if not self.lone.places.size:
            return plain.rows.log_sum
        # No term of the sum over the others is above it.
        return np.where(plain.rows.log_sum < LEAST, -np.log(plain.others), plain.rows.log_sum)

    def _find_lone(self, leaders: Indices) -> Lone:
        rows = _NOWHERE
        if self._logarithm:
            rows = np.flatnonzero(self._elements.plain.rows.log_sum < LEAST)
        columns = leaders[rows]
        return Lone(rows * self._classes + columns, self.at_places(rows, columns))

    def _lone_of(self, tile: Tile) -> Lone:
        """Return those of a tile, by their places in it."""
        if not self.lone.places.size:
            return self.lone
        rows, columns = self.lone.rows_and_columns(self._classes)
        inside = (rows >= tile[0].start) & (rows < tile[0].stop)
        inside &= (columns >= tile[1].start) & (columns < tile[1].stop)
        width = tile[1].stop - tile[1].start
        places = (rows - tile[0].start) * width + columns - tile[1].start
        return Lone(places[inside], self.lone.values[inside])


_NOWHERE = np.empty(0, np.intp)


def _with(array: NDArray[Any], places: Indices, some: NDArray[Any]) -> NDArray[Any]:
    """Return an array with some others in some places."""
    if not places.size:
        return array
    array = array.copy()
    array.reshape(-1)[places] = some
    return array

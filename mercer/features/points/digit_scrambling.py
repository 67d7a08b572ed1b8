"""Radical inverses in any base, and scramblings of their digits.

Digits are counted from the lowest of the index. The mirrored digits of an index are one integer,
with digit ``k`` worth ``base^(length - 1 - k)``; all random choices are hashes of a key, so that an
index is scrambled alike whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mercer.features.points.hashing import below, mixed

TABLE = 4096  # entries of a table that stays in the cache
SMALL = 1 << 14  # points so few that all their digits may be in memory
INDICES = 1 << 32  # indices are below this

DigitMap = Callable[[slice, Tensor], Tensor]


def digit_map(how: str, key: Tensor, base: int, length: int) -> DigitMap:
    """Where digits go at each place.

    Parameters
    ----------
    how : str
        Names ``"permutation"``, ``"digital shift"`` or neither: digits stay.
    key : Tensor, shape (*batch,)
        A key for every scrambling.
    base, length : int
        The base and the number of places.

    Returns
    -------
    callable
        Of a slice of ``p`` places and of digits there, shape ``(p, n)`` or ``(*batch, p, n)``;
        their images, in such a shape.
    """
    key, place = key[..., None, None], torch.arange(length)[:, None]

    def permuted(places: slice, digits: Tensor) -> Tensor:
        some = table[..., places, :]
        shape = torch.broadcast_shapes(some.shape[:-1], digits.shape[:-1])
        return some.expand(*shape, -1).gather(-1, digits.expand(*shape, -1))

    if "permutation" in how:
        table = mixed(key, place * base + torch.arange(base)).argsort(dim=-1)
        return permuted
    if "digital shift" in how:
        shift = below(base, key, place)  # [*batch, length, 1]
        return lambda places, digits: (digits + shift[..., places, :]) % base
    return lambda places, digits: digits


def digitwise(start: int, n: int, image: DigitMap, base: int, length: int) -> Tensor:
    """Mirror the indices ``start, ..., start + n - 1``, every digit by a map of its own.

    Parameters
    ----------
    start, n : int
        The indices.
    image : callable
        The maps, as :func:`digit_map` makes them.
    base, length : int
        The base and the number of places.

    Returns
    -------
    Tensor, shape (*batch, n)
        Mirrored digits as integers.
    """
    low, high, few, offset = _split(start, n, base, length)
    powers = _powers(base, length)
    worths = powers.flip(0)

    def mirrored(i: Tensor, begin: int, end: int) -> Tensor:  # [*batch, len(i)]
        places = slice(begin, end)
        return (image(places, i // powers[: end - begin] % base) * worths[places]).sum(-2)

    x = mirrored(high, few, length)[..., :, None] + mirrored(low, 0, few)[..., None, :]
    return x.flatten(-2)[..., offset : offset + n]


def linear(start: int, n: int, image: DigitMap, matrix: Tensor, base: int, length: int) -> Tensor:
    """Mirror indices: multiply their digits by a matrix modulo the base, then map every digit.

    Parameters
    ----------
    start, n : int
        The indices ``start, ..., start + n - 1``.
    image : callable
        The maps, as :func:`digit_map` makes them.
    matrix : Tensor, shape (*batch, length, length)
        The matrices.
    base, length : int
        The base and the number of places.

    Returns
    -------
    Tensor, shape (*batch, n)
        Mirrored digits as integers.
    """
    low, high, few, offset = _split(start, n, base, length)
    powers, matrix = _powers(base, length), matrix.double()  # exact: base and length are small
    worths = powers.flip(0)

    def products(i: Tensor, begin: int, end: int) -> Tensor:  # [*batch, length, len(i)]
        digits = i // powers[: end - begin] % base
        return (matrix[..., begin:end] @ digits.double()).long() % base

    if matrix[..., 0, 0].numel() * n <= SMALL:
        y = products(torch.arange(start, start + n), 0, length)
        return (image(slice(None), y) * worths).sum(-2)
    y_low, y_high = products(low, 0, few), products(high, few, length)
    # A digit of the whole is the sum of both digits, up to 2 (base - 1), modulo the base. Digits of
    # several places are added at once, as numbers in base 2 base - 1: nothing is carried.
    radix = 2 * base - 1
    group = 1
    while radix ** (group + 1) <= min(n, TABLE):
        group += 1
    x = torch.zeros((), dtype=torch.int64)
    for begin in range(0, length, group):
        places = slice(begin, min(begin + group, length))
        radices = _powers(radix, places.stop - begin)
        code_low, code_high = ((y[..., places, :] * radices).sum(-2) for y in (y_low, y_high))
        digits = torch.arange(radix ** len(radices)) // radices % radix % base
        table = (image(places, digits) * worths[places]).sum(-2)  # [*batch, codes]
        code = (code_high[..., :, None] + code_low[..., None, :]).flatten(-2)
        x = x + table.expand(*code.shape[:-1], -1).gather(-1, code)
    return x[..., offset : offset + n]


def scrambling_matrix(key: Tensor, base: int, length: int) -> Tensor:
    """Lower triangular, random, no zero on the diagonal: shape ``(*batch, length, length)``."""
    row, column = torch.arange(length)[:, None], torch.arange(length)
    key, place = key[..., None, None], row * length + column
    return below(base, key, place).tril(-1) + (1 + below(base - 1, key, place)) * (row == column)


def nested(start: int, n: int, key: Tensor, base: int, length: int) -> Tensor:
    """Mirror indices, each digit by a permutation of its own for each value of those before it.

    Parameters
    ----------
    start, n : int
        The indices ``start, ..., start + n - 1``.
    key : Tensor, shape (*batch,)
        A key for every scrambling.
    base, length : int
        The base and the number of digits.

    Returns
    -------
    Tensor, shape (*batch, n)
        Mirrored digits as integers.
    """
    index = torch.arange(start, start + n)
    key = key[..., None]
    x = torch.zeros(*key.shape[:-1], n, dtype=torch.int64)
    for k in range(length):
        nodes = base**k
        before = (nodes - 1) // (base - 1)  # nodes of the lower levels
        if nodes >= INDICES:  # digits from here on are 0, and every index has its own nodes
            return x + below(base ** (length - k), key, (before + index % nodes) * base)
        period = nodes * base  # indices with the same digits up to k have the same image
        i = torch.arange(period) if period < n else index
        image = _permuted(key, before + i % nodes, i // nodes % base, base)
        if period < n:
            image = image[..., index % period]
        x += image * base ** (length - 1 - k)
    return x


def _permuted(key: Tensor, node: Tensor, digit: Tensor, base: int) -> Tensor:
    """The image of ``digit`` under the random permutation of a node.

    The image of 0 is any number; that of ``c`` is drawn among the ``base - c`` that those of
    ``0, ..., c - 1`` have left: its place among them is followed back to that among all.
    """
    place = below(base - digit, key, node * base + digit)
    for c in reversed(range(int(digit.max()))):
        taken = below(base - c, key, node * base + c)
        place += (digit > c) & (place >= taken)
    return place


def _split(start: int, n: int, base: int, length: int) -> tuple[Tensor, Tensor, int, int]:
    """Low and high parts of the indices, digits of the low one, and where ``start`` is."""
    few = 0
    while few < length and base ** (few + 1) <= min(n, TABLE):
        few += 1
    size = base**few
    high = torch.arange(start // size, (start + n - 1) // size + 1)
    return torch.arange(size), high, few, start % size


def _powers(base: int, count: int) -> Tensor:
    """``1, base, base^2, ...``, shape ``(count, 1)``."""
    return torch.tensor([base**k for k in range(count)])[:, None]

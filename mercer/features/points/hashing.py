"""Random numbers by place: a function of a key and a counter, the same whenever it is asked."""

from __future__ import annotations

import torch
from torch import Tensor

# The finaliser and the increment of SplitMix64.
STEP = 0x9E3779B97F4A7C15
ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))


def mixed(key: Tensor, counter: Tensor) -> Tensor:
    """64 bits for each key and counter, as if drawn at random.

    Parameters
    ----------
    key, counter : Tensor
        int64, broadcast against each other.

    Returns
    -------
    Tensor
        int64, all 64 bits uniform.

    References
    ----------
    Guy L. Steele Jr., Doug Lea, Christine H. Flood, "Fast splittable pseudorandom number
    generators", https://doi.org/10.1145/2660193.2660195

    Examples
    --------
    >>> mixed(torch.tensor(0), torch.tensor([0, 1, 2]))
    tensor([                   0, -2152535657050944081,  7960286522194355700])
    """
    z = counter * _signed(STEP) + key
    for shift, factor in ROUNDS:
        z ^= (z >> shift).bitwise_and_((1 << (64 - shift)) - 1)  # a logical shift
        if factor != 1:
            z *= _signed(factor)
    return z


def below(bound: int | Tensor, key: Tensor, counter: Tensor) -> Tensor:
    """Numbers from 0 to ``bound - 1``, as if drawn at random; ``bound`` far below 2^63."""
    return mixed(key, counter).bitwise_and_((1 << 63) - 1).remainder_(bound)


def keys(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Keys drawn from a generator."""
    return torch.randint(-(1 << 63), (1 << 63) - 1, shape, generator=generator)


def _signed(word: int) -> int:
    return word - (1 << 64) if word >> 63 else word

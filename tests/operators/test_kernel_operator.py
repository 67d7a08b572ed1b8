"""The kernel operator under the contract of all operators."""

from __future__ import annotations

import pytest
import torch

from mercer.engine import make
from mercer.operators import KernelOperator
from mercer.testing.operator import check_operator

GAUSSIAN = make("exp(-s0/2)", ["squared_distance"], 0)
MIXED = make("p0*exp(-s0/2) + s1", ["squared_distance", "dot"], 1)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_rectangular(batch):
    x, y = torch.randn(*batch, 7, 3), torch.randn(*batch, 5, 3)
    check_operator(lambda x, y: KernelOperator(GAUSSIAN, [x], [y]), x, y)


@pytest.mark.parametrize("batch", [(), (2,)])
def test_symmetric_with_parameters(batch):
    x, p = torch.randn(*batch, 6, 4), torch.rand(batch) + 0.5
    check_operator(lambda x, p: KernelOperator(MIXED, [x, x], [x, x], [p], tags={"psd"}), x, p)


def test_taking_the_same_rows_and_columns_stays_symmetric():
    x = torch.randn(6, 3)
    K = KernelOperator(GAUSSIAN, [x], [x], tags={"psd"})
    assert K[1:4, 1:4].tags == {"symmetric", "psd"}
    assert K[1:4, 2:5].tags == set()

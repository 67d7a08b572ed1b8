"""The Bessel integral against mpmath."""

from __future__ import annotations

import mpmath
import pytest
import torch

from mercer.kernels.bessel import bessel_integral, evaluate_bessel_integral

Z = [1e-12, 1e-5, 0.01, 0.3, 1.0, 1.9999, 2.0, 2.0001, 3.0, 7.5, 40.0, 300.0]


@pytest.mark.parametrize(
    "nu", [1e-3, 0.25, 0.5, 0.7, 1.0, 1.5, 2.0, 4.9, 33.3, 199.5, 0.0, -0.3, -1.0, -2.6]
)
def test_integral_is_mpmath(nu: float) -> None:
    u = torch.tensor([z * z for z in Z], dtype=torch.float64)
    found = bessel_integral(nu, u).tolist()
    with mpmath.workdps(40):
        for value, squared in zip(found, u.tolist()):
            z = mpmath.sqrt(squared)
            exact = 2 * (z / 2) ** mpmath.mpf(nu) * mpmath.besselk(nu, z)
            exact /= mpmath.gamma(nu) if nu > 1 else 1
            assert abs(value - exact) <= 1e-11 * exact


@pytest.mark.parametrize("nu", [0.3, 1.0, 2.5, 60.0])
def test_value_at_zero_is_gamma(nu: float) -> None:
    found = bessel_integral(nu, torch.zeros(1, dtype=torch.float64)).item()
    exact = 1.0 if nu > 1 else float(mpmath.gamma(nu))
    # the rest of the series at the smallest positive number, u^nu, is not quite zero
    assert found == pytest.approx(exact, rel=1e-12)


def test_strides_and_chunks_do_not_matter() -> None:
    u = torch.rand(300, 250, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 30
    whole = bessel_integral(0.7, u)
    out = torch.full((250, 300), torch.nan, dtype=torch.float64).mT
    assert evaluate_bessel_integral(0.7, u, out) is out
    torch.testing.assert_close(out, whole, rtol=1e-14, atol=0)

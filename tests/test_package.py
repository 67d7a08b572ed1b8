"""What importing mercer does, and what explain says."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import mercer
from mercer.kernels import RBF, White
from mercer.linalg import solve
from mercer.operators import Identity


def test_import_loads_neither_folders_nor_optional_packages():
    code = (
        "import sys, torch; before = set(sys.modules); import mercer; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; "
        "assert new == {'mercer'}, new; "
        "assert not any(m.startswith('mercer.') for m in sys.modules), sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_spine_needs_no_optional_package():
    blocked = ("typer", "rich", "polars", "matplotlib", "pandas")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r})); import mercer.kernels, "
        "mercer.linalg, mercer.operators, mercer.learn, mercer.papers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_names_are_listed_and_unknown_ones_refused():
    assert {"explain", "load", "kernels"} <= set(dir(mercer))
    assert callable(mercer.explain)
    assert callable(mercer.load)
    with pytest.raises(AttributeError, match="no attribute 'colonel'"):
        _ = mercer.colonel


def test_explain_names_the_path():
    x = torch.randn(400, 5)
    K = RBF()(x)
    assert "tiles of" in mercer.explain(K)
    assert "Formed whole" in mercer.explain(K[:5, :5])
    assert "float64" in mercer.explain(RBF(lengthscale=0.01)(x))
    both = mercer.explain((RBF() + White())(x))
    assert "KernelOperator" in both or "exp(-s0/2)" in both
    assert "Cholesky" in mercer.explain(solve(K + Identity(400), torch.ones(400)))
    with pytest.raises(TypeError, match="explain takes"):
        mercer.explain(3)

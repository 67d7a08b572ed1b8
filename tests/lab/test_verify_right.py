"""No right candidate is refused, however it computes."""

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.verify import check
from tests.lab import small_problems as p
from tests.lab.right_candidates import RIGHT, function


def test_there_are_a_hundred():
    """And no two are the same."""
    assert len({(problem.name, c.digest) for problem, c in RIGHT}) == len(RIGHT) >= 100


PROBLEMS = sorted({problem for problem, _ in RIGHT}, key=lambda problem: problem.name)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
@pytest.mark.parametrize(
    "step", [4, pytest.param(1, marks=pytest.mark.slow)], ids=["every fourth", "all"]
)
def test_right_candidates_pass(problem, step, pool):
    """With room to spare: half of what is allowed."""
    for candidate in [candidate for one, candidate in RIGHT if one is problem][::step]:
        verdict = check(problem, candidate, pool=pool)
        assert verdict.right, f"{candidate.source}\n{verdict}"
        assert verdict.margin < 0.5, f"{candidate.source}\n{verdict}"


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, pytest.param(torch.float16, marks=pytest.mark.slow), torch.float64]
)
def test_other_dtypes(dtype, pool):
    """Sums in float32 are right in half precision, and float32 inside is wrong in float64."""
    body = "return x.float().softmax(-1).to(x.dtype)"
    verdict = check(p.Softmax, function(body), pool=pool, dtypes=(dtype,))
    assert verdict.right == (dtype != torch.float64), str(verdict)
    if dtype == torch.float64:
        assert "float32" in verdict.hint
    assert check(p.LayerNorm, NORM, pool=pool, dtypes=(dtype,)).right


NORM = Candidate(
    """
import torch
class ModelNew(torch.nn.Module):
    def __init__(self, m):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(m))
        self.bias = torch.nn.Parameter(torch.zeros(m))
    def forward(self, x):
        wide = torch.promote_types(x.dtype, torch.float32)
        m = x.to(wide).mean(-1, keepdim=True)
        v = (x.to(wide) - m).square().mean(-1, keepdim=True)
        y = (x.to(wide) - m) * torch.rsqrt(v + 1e-5)
        return (y * self.weight + self.bias).to(x.dtype)
""",
    "torch",
)

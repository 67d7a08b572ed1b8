"""Gradients: several right ways to them, and ways around them."""

import pytest
import torch
from torch import nn

from mercer.lab import Candidate, normal, problem
from mercer.lab.problems import find
from mercer.lab.verify import check

HEAD = (
    "import torch\nfrom torch import nn\n\nclass ModelNew(nn.Module):\n    def forward(self, x):\n"
)
# The gradient flows through the maximum too, where its terms cancel but for their rounding.
THROUGH_MAXIMUM = """        e = torch.exp(x - x.amax(-1, keepdim=True))
        return e / e.sum(-1, keepdim=True)
"""
NO_GRADIENT = """        y = torch.nn.functional.layer_norm(x.detach(), x.shape[-1:], eps=1e-5)
        return y + 0 * x
"""
MEAN_FORGOTTEN = """        m = x.mean(-1, keepdim=True).detach()
        v = (x - m).square().mean(-1, keepdim=True)
        return (x - m) * torch.rsqrt(v + 1e-5)
"""


@problem(1, {"odd": (5, 33), "small": (16, 64)})
class Standardised(nn.Module):
    """Rows of mean 0 and variance 1."""

    @staticmethod
    def arguments(rows, columns):
        return [normal(rows, columns)]

    def forward(self, x):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], eps=1e-5)


def test_a_softmax_differentiated_through_its_maximum_is_right(pool):
    verdict = check(find("softmax"), Candidate(HEAD + THROUGH_MAXIMUM, "torch"), pool=pool)
    assert verdict.right, str(verdict)


@pytest.mark.parametrize("body", [NO_GRADIENT, MEAN_FORGOTTEN])
def test_wrong_gradients_of_a_normalisation_are_seen(pool, body):
    """With cotangents equal to the inputs, the gradient of a normalisation would be zero."""
    verdict = check(Standardised, Candidate(HEAD + body, "torch"), pool=pool)
    assert not verdict.right
    assert "gradient" in verdict.reason

"""Whether a claim holds is computed."""

import math

import pytest

from mercer.papers import Claim
from mercer.papers.claim import Bounds


@pytest.mark.parametrize(
    ("measured", "least", "most", "within"),
    [
        (1.9, False, True, True),
        (2.0, True, True, True),
        (3.5, True, False, False),
        (math.nan, False, False, False),
        (math.inf, True, False, False),
    ],
)
def test_holds_follows_from_measure_and_bound(measured, least, most, within):
    common = {"paper": 3.0, "measured": measured, "if_not": "Because."}
    claims = [
        Claim.at_least("x", bound=2.0, **common),
        Claim.at_most("x", bound=2.0, **common),
        Claim.between("x", low=1.0, high=3.0, **common),
    ]
    assert [c.holds for c in claims] == [least, most, within]
    assert [c.reason for c in claims] == ["" if c.holds else "Because." for c in claims]


def test_holds_cannot_be_typed():
    claim = Claim.at_least("x", paper=1, measured=0.0, bound=1.0, if_not="y")
    with pytest.raises(AttributeError):
        claim.holds = True
    with pytest.raises(TypeError):
        Claim("x", 1, 0.0, Bounds(1.0), "", "y", holds=True)


@pytest.mark.parametrize(("low", "high"), [(2.0, 1.0), (-math.inf, math.inf), (math.nan, 1.0)])
def test_bounds_that_decide_nothing_are_refused(low, high):
    with pytest.raises(ValueError, match="bounds must leave"):
        Bounds(low, high)

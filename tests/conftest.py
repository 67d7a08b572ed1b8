from __future__ import annotations

import os

import pytest
import torch

if not torch.cuda.is_available():  # Triton reads this when it is imported
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(autouse=True)
def poisoned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that nothing has written reads as NaN."""
    for owner, name in ((torch, "empty"), (torch, "empty_like"), (torch.Tensor, "new_empty")):
        monkeypatch.setattr(owner, name, _poisoned(getattr(owner, name)))


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts from the same random state.

    `torch.manual_seed` notes a stack trace for every kind of device that is not there, which is
    half the time of tests that seed often; without a GPU its own generator is the CPU's.
    """
    if not torch.cuda.is_available():
        monkeypatch.setattr(torch, "manual_seed", torch.default_generator.manual_seed)
    torch.manual_seed(0)


def _poisoned(make):
    def poison(*args, **kwargs):
        out = make(*args, **kwargs)
        poisonable = out.is_floating_point() and not out.is_meta and type(out) is torch.Tensor
        return out.fill_(torch.nan) if poisonable else out

    return poison

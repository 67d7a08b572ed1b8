from __future__ import annotations

import pytest
import torch

from mercer.lab.sandbox import Pool
from tests.lab.shared_pool import shared_pool


@pytest.fixture(autouse=True)
def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts from the same random state.

    `torch.manual_seed` notes a stack trace for every kind of device that is not there, which is
    half the time of tests that draw many problems; without a GPU its own generator is the CPU's.
    """
    if not torch.cuda.is_available():
        monkeypatch.setattr(torch, "manual_seed", torch.default_generator.manual_seed)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def pool() -> Pool:
    """Workers for candidates; every check has one of its own."""
    return shared_pool()

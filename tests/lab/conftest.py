from __future__ import annotations

import pytest
import torch

from mercer.lab.sandbox import Pool
from tests.lab.shared_pool import shared_pool


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test starts from the same random state.

    `torch.manual_seed` would note a stack trace for every kind of device that is not there.
    """
    torch.default_generator.manual_seed(0)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(0)


@pytest.fixture(scope="session")
def pool() -> Pool:
    """Workers for candidates; every check has one of its own."""
    return shared_pool()

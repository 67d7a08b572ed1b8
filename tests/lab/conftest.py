from __future__ import annotations

from collections.abc import Iterator

import pytest

from mercer.lab.sandbox import Pool, Worker
from tests.lab import sandboxes
from tests.lab.shared_pool import shared_pool


@pytest.fixture(scope="session")
def pool() -> Pool:
    """Workers for candidates; every check has one of its own."""
    return shared_pool()


@pytest.fixture(scope="module", params=["namespaces", "seccomp"])
def tight(request: pytest.FixtureRequest) -> Pool:
    """Workers that run any program, within narrow limits."""
    return sandboxes.tight_pool(request.param)


@pytest.fixture
def worker(tight: Pool) -> Iterator[Worker]:
    """The worker that attacks."""
    with tight.worker(sandboxes.SIZES) as made:
        yield made


@pytest.fixture
def bystander(tight: Pool) -> Iterator[Worker]:
    """A worker that must be as it was after the attack."""
    with tight.worker(sandboxes.SIZES) as made:
        sandboxes.value(made, "kept = 1")
        yield made
        assert sandboxes.value(made, "value = 6 * 7") == 42

"""The generator behind an algorithm when the caller names none."""

from __future__ import annotations

import torch


def random_source(
    generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> torch.Generator:
    """Return ``generator``, or a new one seeded with 0: the global one is never touched.

    Parameters
    ----------
    generator : torch.Generator or None
        What the caller gave.
    device : torch.device
        Where a new one lives.

    Returns
    -------
    torch.Generator
        The source of randomness.

    Examples
    --------
    >>> random_source(None).initial_seed()
    0
    """
    return torch.Generator(device).manual_seed(0) if generator is None else generator

"""The parameters and buffers that reference and candidate share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mercer.lab.problem import Problem

# Of all parameters. A candidate is told it, so that no inputs may come from the same seed.
STATE_SEED = 0x6D657263
JITTER = 0.25  # of the constant that a parameter was filled with, or of one if that is zero


@dataclass(frozen=True)
class State:
    """What is loaded into a module.

    Parameters
    ----------
    tensors : dict of str to Tensor
        The state dict, in the working dtype.
    names : list of str
        Parameters that have a gradient.
    """

    tensors: dict[str, Tensor]
    names: list[str]


def initial_state(problem: Problem, size: str, *, dtype: torch.dtype, seed: int) -> State:
    """Draw the state of a problem's module.

    Parameters that the module fills with one number (a bias of zeros, a weight of ones) and the
    running moments of a normalisation get random numbers around it: at their initial values, a
    kernel that forgets them would be right.
    """
    reference = problem.reference(size, seed=seed)
    jitter(reference, seed=seed)
    tensors = {
        name: value.detach().to(dtype) if value.is_floating_point() else value.detach()
        for name, value in reference.state_dict().items()
    }
    names = [
        name
        for name, p in reference.named_parameters()
        if problem.differentiable and p.requires_grad and p.is_floating_point()
    ]
    return State(tensors, names)


def jitter(module: nn.Module, *, seed: int) -> None:
    """Spread constant parameters, and running moments, by `JITTER` to both sides."""
    generator = torch.Generator().manual_seed(seed)
    moments = [
        b for name, b in module.named_buffers() if name.rpartition(".")[2].startswith("running_")
    ]
    with torch.no_grad():
        for p in [*module.parameters(), *moments]:
            if p.is_floating_point() and p.numel() and bool((p == p.flatten()[0]).all()):
                constant = p.flatten()[0].abs()
                width = JITTER * (constant if constant > 0 else 1.0)
                p += width * (2 * torch.rand(p.shape, generator=generator) - 1)

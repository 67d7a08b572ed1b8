"""What a compute kernel has to compute: a reference module and the law of its inputs."""

from __future__ import annotations

import inspect
import re
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument

DRAWING = threading.RLock()  # held while the global generator is somebody's
SIZES = ("odd", "small", "desk", "race")


@dataclass(frozen=True, eq=False)
class Problem:
    """A reference `nn.Module`, the law of its inputs, and the sizes that it is tried at.

    A candidate is a module `ModelNew` with the constructor, the `forward` and the parameters' names
    of the reference.

    Parameters
    ----------
    name : str
        In snake case; `mercer lab race softmax` finds it by this name.
    level : {1, 2, 3}
        A single operator, a fused sequence, a whole block.
    summary : str
        What is computed, in one line.
    module : callable
        Makes the reference from what `initial` returns.
    arguments : callable
        Size's numbers in, one `Argument` per input out.
    sizes : mapping of str to tuple of int
        "odd" (nothing divides by 8), "small", "desk" (races on a CPU) and "race" (races on a GPU).
    initial : callable, optional
        Size's numbers in, the constructor's arguments out. Default: none.
    differentiable : bool, optional
        Whether candidates must have the gradient too.
    tags : frozenset of str, optional
        Such as "memory-bound", "reduction", "mercer".
    """

    name: str
    level: int
    summary: str
    module: Callable[..., nn.Module]
    arguments: Callable[..., Sequence[Argument]]
    sizes: Mapping[str, tuple[int, ...]]
    initial: Callable[..., tuple[Any, ...]] = lambda *size: ()
    differentiable: bool = True
    tags: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.level not in (1, 2, 3):
            raise ValueError(f"level must be 1, 2 or 3, got {self.level}")

    def size(self, name: str) -> tuple[int, ...]:
        """Return the numbers of a size, which a name of `sizes` stands for."""
        if name not in self.sizes:
            known = ", ".join(self.sizes)
            raise ValueError(f"{self.name} has no size {name!r}; it has {known}")
        return self.sizes[name]

    def reference(self, size: str, *, seed: int = 0) -> nn.Module:
        """Return the reference in float32 on the CPU, its parameters drawn from `seed`."""
        with DRAWING, torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # the CPU's alone: the others cost time
            return self.module(*self.initial(*self.size(size)))

    def draw(
        self,
        size: str,
        *,
        seed: int,
        dtype: torch.dtype = torch.float32,
        scale: float = 1.0,
    ) -> list[Tensor]:
        """Draw the inputs of one call on the CPU, contiguous.

        Parameters
        ----------
        size : str
        seed : int
        dtype : torch.dtype, optional
            Of the floating inputs; the values are those of float32, rounded.
        scale : float, optional
            Factor of the inputs whose law is normal.
        """
        generator = torch.Generator().manual_seed(seed)
        arguments = self.arguments(*self.size(size))
        return [a.draw(generator, dtype=dtype, scale=scale) for a in arguments]

    def gradients(self, size: str) -> list[bool]:
        """Say for each input whether a candidate must have the gradient in it."""
        arguments = self.arguments(*self.size(size))
        return [self.differentiable and a.differentiable for a in arguments]

    @property
    def source(self) -> str:
        """The reference's text, as a person or a model reads it."""
        return textwrap.dedent(inspect.getsource(self.module))


def problem(
    level: int,
    sizes: Mapping[str, tuple[int, ...]],
    *,
    tags: Sequence[str] = (),
    differentiable: bool = True,
) -> Callable[[Any], Problem]:
    """Make a `Problem` of a module class that has `arguments`, `forward` and maybe `initial`.

    The name is the class's in snake case, the summary its docstring's first line.

    Examples
    --------
    >>> from mercer.lab import normal
    >>> @problem(1, {"odd": (7, 33), "small": (64, 128), "desk": (512, 512), "race": (4096, 4096)})
    ... class RowSum(nn.Module):
    ...     '''The sum of every row.'''
    ...
    ...     @staticmethod
    ...     def arguments(rows, columns):
    ...         return [normal(rows, columns)]
    ...
    ...     def forward(self, x):
    ...         return x.sum(-1)
    >>> RowSum.name, RowSum.draw("odd", seed=0)[0].shape
    ('row_sum', torch.Size([7, 33]))
    """

    def make(module: Any) -> Problem:
        summary = (inspect.getdoc(module) or "").split("\n")[0]
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", module.__name__).lower()
        extra = {"initial": module.initial} if hasattr(module, "initial") else {}
        return Problem(
            name,
            level,
            summary,
            module,
            module.arguments,
            sizes,
            differentiable=differentiable,
            tags=frozenset(tags),
            **extra,
        )

    return make

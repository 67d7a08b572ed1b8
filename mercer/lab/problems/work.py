"""How much a problem asks of a device: bytes that must move, operations that must be done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from mercer.lab.problem import Problem

PER_ENTRY = {  # operations for every entry of the first tensor
    "sum mean amax amin max min argmax argmin aminmax prod cumsum cumprod cummax topk": 1,
    "mv dot addmv linalg_vector_norm": 2,
    "logsumexp logcumsumexp var var_mean std": 4,  # a peak or a mean first
    "_softmax _log_softmax": 5,
    "_fused_rms_norm huber_loss": 4,
    "native_layer_norm native_group_norm native_batch_norm _native_batch_norm_legit": 8,
}
COSTS = {name: cost for names, cost in PER_ENTRY.items() for name in names.split()}
MOVES = {"where", "masked_fill", "copy", "clone", "fill", "_to_copy", "scalar_tensor"}


@dataclass(frozen=True)
class Work:
    """The compulsory work of one call.

    Parameters
    ----------
    bytes : int
        Inputs, parameters, buffers and outputs, each moved once.
    flops : int
        Floating-point operations of the reference: two for every multiply-add of products and
        convolutions, one for every entry of an elementwise operator, whatever the function.

    Examples
    --------
    >>> Work(bytes=400, flops=100).intensity
    0.25
    """

    bytes: int
    flops: int

    @property
    def intensity(self) -> float:
        """Operations for every byte: what the roofline is drawn over."""
        return self.flops / self.bytes


def work(
    problem: Problem, size: str, *, dtype: torch.dtype = torch.float32, device: str = "meta"
) -> Work:
    """Count the bytes and the operations of one call of the reference.

    Parameters
    ----------
    problem : Problem
    size : str
    dtype : torch.dtype, optional
        Of the floating inputs and the parameters.
    device : {"meta", "cpu"}, optional
        "meta" counts from shapes alone; "cpu" runs the reference on inputs of seed 0, for modules
        whose shapes or branches depend on values.

    Raises
    ------
    ValueError
        If the module needs values and `device` is "meta".

    Examples
    --------
    >>> from mercer.lab.problems import find
    >>> work(find("row_sum"), "race")
    Work(bytes=134250496, flops=33554432)
    """
    if device not in ("meta", "cpu"):
        raise ValueError(f"device must be 'meta' or 'cpu', got {device!r}")
    module = problem.reference(size).to(device=device, dtype=dtype)
    if device == "meta":
        arguments = problem.arguments(*problem.size(size))
        kinds = {"index": torch.int64, "mask": torch.bool}
        inputs = [
            torch.empty(a.shape, dtype=kinds.get(a.law, dtype), device="meta") for a in arguments
        ]
    else:
        inputs = problem.draw(size, seed=0, dtype=dtype)

    operations = _Operations()
    try:
        with torch.no_grad(), operations:
            outputs = module(*inputs)
    except (NotImplementedError, RuntimeError) as error:
        if device == "cpu":
            raise
        said = str(error).split("\n")[0]
        raise ValueError(f"{problem.name} needs values, so give device='cpu' ({said})") from error
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    moved = [*inputs, *module.parameters(), *module.buffers(), *outputs]
    return Work(sum(t.nbytes for t in moved), operations.flops)


class _Operations(TorchDispatchMode):
    """Counts operations: products and convolutions by PyTorch's formulas, the rest by ours."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        name = func.overloadpacket.__name__.rstrip("_")
        tensors = [a for a in args if isinstance(a, Tensor)]
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        elif name in SPECIAL:
            self.flops += SPECIAL[name](args, out)
        elif not any(t.is_floating_point() or t.is_complex() for t in tensors):
            pass
        elif name in COSTS:
            self.flops += COSTS[name] * tensors[0].numel()
        elif torch.Tag.pointwise in func.tags and name not in MOVES and isinstance(out, Tensor):
            complex_cost = 6 if name == "mul" else 2
            self.flops += out.numel() * (complex_cost if out.is_complex() else 1)
        return out


def _fourier(args: tuple[Any, ...], out: Tensor) -> int:
    """The customary 5 n log2(n) of a complex transform; half for a real one."""
    whole = args[0] if out.numel() < args[0].numel() else out
    n = math.prod(whole.shape[axis] for axis in args[1])
    factor = 5.0 if out.is_complex() and args[0].is_complex() else 2.5
    return round(factor * whole.numel() * math.log2(max(n, 1)))


def _sorting(args: tuple[Any, ...], out: Any) -> int:
    axis = args[1] if len(args) > 1 and isinstance(args[1], int) else -1
    length = args[0].shape[axis] if args[0].dim() else 1
    return round(args[0].numel() * math.log2(max(length, 1)))


def _pooling(args: tuple[Any, ...], out: Any) -> int:
    first = out if isinstance(out, Tensor) else out[0]
    window = args[1] if len(args[1]) > 1 else args[1] * (first.dim() - 2)
    return first.numel() * math.prod(window)


def _distances(args: tuple[Any, ...], out: Tensor) -> int:
    return 3 * out.numel() * args[0].shape[-1]


def _factorisation(args: tuple[Any, ...], out: Any) -> int:
    return args[0].numel() * args[0].shape[-1] // 3


def _substitution(args: tuple[Any, ...], out: Tensor) -> int:
    return out.numel() * args[0].shape[-1]


def _accumulation(args: tuple[Any, ...], out: Tensor) -> int:
    return int(args[3].numel())


SPECIAL: dict[str, Callable[[tuple[Any, ...], Any], int]] = {
    "_fft_r2c": _fourier,
    "_fft_c2r": _fourier,
    "_fft_c2c": _fourier,
    "sort": _sorting,
    "avg_pool2d": _pooling,
    "max_pool2d_with_indices": _pooling,
    "upsample_bilinear2d": lambda args, out: 7 * out.numel(),  # four products, three sums
    "_cdist_forward": _distances,
    "_euclidean_dist": _distances,
    "linalg_cholesky_ex": _factorisation,
    "linalg_solve_triangular": _substitution,
    "index_add": _accumulation,
    "scatter_add": _accumulation,
}

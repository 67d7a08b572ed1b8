"""A candidate's text becomes a module, inside the worker."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def build_model(
    source: str,
    initial: Sequence[Any],
    state: Mapping[str, Tensor],
    *,
    dtype: torch.dtype,
    device: str,
    seed: int,
) -> nn.Module:
    """Run `source` as a module of its own and return its `ModelNew` with the reference's state.

    Parameters
    ----------
    source : str
    initial : sequence
        Arguments of the constructor.
    state : mapping of str to Tensor
        Parameters and buffers; names and shapes must be the reference's.
    dtype : torch.dtype
        Of floating parameters and buffers.
    device : str
    seed : int
        Of torch's generators, before anything of the candidate runs.
    """
    torch.manual_seed(seed)
    module = _execute(source)
    made = getattr(module, "ModelNew", None)
    if not callable(made):
        raise ValueError("the source must define a class ModelNew")
    model = made(*initial)
    if not isinstance(model, nn.Module):
        raise TypeError(f"ModelNew must be a torch.nn.Module, got {type(model).__name__}")
    model = model.to(device=device, dtype=dtype)
    model.load_state_dict(dict(state), strict=True)
    return model


def _execute(source: str) -> Any:
    """Import the text from a file, since Triton reads its kernels' sources from there."""
    folder = Path(tempfile.mkdtemp(prefix="candidate-"))
    path = folder / f"{folder.name.replace('-', '_')}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module

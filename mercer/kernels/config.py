"""Kernels as JSON and back, without loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mercer.kernels.base import Kernel


def to_config(kernel: Kernel) -> dict[str, Any]:
    """Everything that makes a kernel, in JSON's types.

    Parameters
    ----------
    kernel : Kernel
        Any kernel whose constructor arguments are attributes; kernels of kernels are nested.

    Returns
    -------
    dict
        The class name, the constructor's arguments and the parameters as they are stored (positive
        ones by their logarithm), so that :func:`from_config` restores them bit by bit.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> to_config(RBF(lengthscale=1.0))["parameters"]
    {'log_lengthscale': {'dtype': 'float64', 'values': 0.0}}
    """
    arguments: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for name, value in kernel.arguments().items():
        stored = _stored(kernel, name, value)
        if stored is None:
            arguments[name] = value.to_config() if isinstance(value, Kernel) else value
        else:
            key, tensor = stored
            dtype = str(tensor.dtype).removeprefix("torch.")
            parameters[key] = {"dtype": dtype, "values": tensor.detach().tolist()}
    return {"kernel": type(kernel).__name__, "arguments": arguments, "parameters": parameters}


def from_config(
    config: Mapping[str, Any], classes: Mapping[str, type[Kernel]] | None = None
) -> Kernel:
    """The kernel that :func:`to_config` described.

    Parameters
    ----------
    config : mapping
        What :func:`to_config` returned, also after a passage through JSON.
    classes : mapping of str to type, optional
        Kernels of one's own, by class name; those of :mod:`mercer.kernels` are known.

    Returns
    -------
    Kernel

    Raises
    ------
    ValueError
        If the config names an unknown kernel or parameter.

    Examples
    --------
    >>> from mercer.kernels import RBF
    >>> from_config(RBF(lengthscale=0.5).to_config())
    RBF(lengthscale=0.5)
    """
    cls = _find(config.get("kernel"), classes or {})
    arguments: dict[str, Any] = {
        name: from_config(value, classes) if isinstance(value, Mapping) else value
        for name, value in config["arguments"].items()
    }
    tensors = {
        key: torch.tensor(stored["values"], dtype=getattr(torch, stored["dtype"]))
        for key, stored in config["parameters"].items()
    }
    for key, tensor in tensors.items():
        scale, name = key.split("_", 1)
        arguments[name] = tensor.exp() if scale == "log" else tensor
    kernel = cls(**arguments)
    for key, tensor in tensors.items():
        if key not in kernel._parameters:
            raise ValueError(f"config has a parameter {key!r}, which {cls.__name__} does not have")
        kernel.keep(key, tensor)
    return kernel


def _stored(kernel: Kernel, name: str, value: Any) -> tuple[str, Tensor] | None:
    """The stored name and values of an argument that is a parameter, else ``None``."""
    for key in (f"log_{name}", f"raw_{name}"):
        if key in kernel._parameters:
            return key, getattr(kernel, key)
    if name in kernel._given:  # its graph cannot be saved, its value can
        return kernel._given_as(name)
    return None


def _find(name: Any, classes: Mapping[str, type[Kernel]]) -> type[Kernel]:
    import mercer.kernels

    known = {key: getattr(mercer.kernels, key) for key in mercer.kernels.__all__}
    known = {key: c for key, c in known.items() if isinstance(c, type) and issubclass(c, Kernel)}
    known |= classes
    if name not in known:
        raise ValueError(
            f"config names the kernel {name!r}; known are {', '.join(sorted(known))}, "
            "and others are passed in classes"
        )
    return known[name]

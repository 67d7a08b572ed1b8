"""The tensors that an operator is made of, and the same operator made of others.

Implicit differentiation needs an operator as a function of its tensors. They are found where they
are kept: in the attributes of operators, modules and dataclasses, and in lists, tuples and dicts.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from mercer.operators.base import Operator

T = TypeVar("T")
_CACHED: dict[type, frozenset[str]] = {}


def tensors_of(K: Operator) -> list[Tensor]:
    """Return the distinct tensors in ``K`` that require a gradient.

    Parameters
    ----------
    K : Operator
        Any operator.

    Returns
    -------
    list of Tensor
        In the order of the operator's attributes.

    Examples
    --------
    >>> from mercer.operators import Dense
    >>> len(tensors_of(Dense(torch.eye(2, requires_grad=True))))
    1
    """
    found: dict[int, Tensor] = {}

    def note(t: Tensor) -> Tensor:
        if t.requires_grad:
            found.setdefault(id(t), t)
        return t

    _rebuilt(K, note, {})
    return list(found.values())


def replace_tensors(K: T, old: Sequence[Tensor], new: Sequence[Tensor]) -> T:
    """Return ``K`` with the tensors ``old`` replaced by ``new``; parts without them are shared."""
    table = {id(a): b for a, b in zip(old, new)}
    return _rebuilt(K, lambda t: table.get(id(t), t), {})


def detached(K: T) -> T:
    """Return ``K`` with every tensor detached from the graph."""
    return _rebuilt(K, lambda t: t.detach() if t.requires_grad else t, {})


def _rebuilt(value: Any, replace: Callable[[Tensor], Tensor], memo: dict[int, Any]) -> Any:
    if isinstance(value, Tensor):
        if id(value) not in memo:
            memo[id(value)] = replace(value)
        return memo[id(value)]
    if isinstance(value, dict):
        new = {key: _rebuilt(item, replace, memo) for key, item in value.items()}
        return new if any(new[key] is not value[key] for key in value) else value
    if isinstance(value, (list, tuple)):
        items = [_rebuilt(item, replace, memo) for item in value]
        if all(a is b for a, b in zip(items, value)):
            return value
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, (Operator, torch.nn.Module)) or _is_dataclass_instance(value):
        if id(value) not in memo:
            memo[id(value)] = _rebuilt_object(value, replace, memo)
        return memo[id(value)]
    return value


def _is_dataclass_instance(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _rebuilt_object(value: Any, replace: Callable[[Tensor], Tensor], memo: dict[int, Any]) -> Any:
    attributes = _attributes(value)
    new = {name: _rebuilt(item, replace, memo) for name, item in attributes.items()}
    if all(new[name] is attributes[name] for name in attributes):
        return value
    result = copy.copy(value)
    # Derived values that the class caches must follow the new tensors.
    for name in _cached_names(type(value)):
        result.__dict__.pop(name, None)
    for name, item in new.items():
        object.__setattr__(result, name, item)
    return result


def _attributes(value: Any) -> dict[str, Any]:
    if hasattr(value, "__dict__"):
        cached = _cached_names(type(value))
        return {name: item for name, item in vars(value).items() if name not in cached}
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _cached_names(cls: type) -> frozenset[str]:
    """The names of the derived values that a class computes on first use."""
    if cls not in _CACHED:
        members = (item for base in cls.__mro__ for item in vars(base).items())
        _CACHED[cls] = frozenset(
            name for name, member in members if isinstance(member, functools.cached_property)
        )
    return _CACHED[cls]


def product_gradients(
    K: Operator, tensors: Sequence[Tensor], left: Tensor, right: Tensor
) -> list[Tensor | None]:
    r"""Return the gradient of :math:`\sum_{ij} L_{ij} (K R)_{ij}` in each of ``tensors``.

    ``left`` and ``right`` count as constants even where they depend on ``tensors``. The result is
    differentiable in all of them when gradients are being recorded.
    """
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        # An alias is a new node: the inner gradient stops there and cannot enter left and right.
        alias = [t.view_as(t) if again else t.detach().requires_grad_() for t in tensors]
        value = (left * (replace_tensors(K, tensors, alias) @ right)).sum()
        if not value.requires_grad:
            return [None] * len(tensors)
        return list(torch.autograd.grad(value, alias, create_graph=again, allow_unused=True))

"""A formula lowered to torch calls that work in place on a few tile buffers."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sympy
import torch
from torch import Tensor

from mercer.engine.fold import exp2_symbol


@dataclass(frozen=True)
class Step:
    """``registers[target] = call(*operands)``, in the buffer of ``reuse`` if there is one."""

    call: str
    operands: tuple[Any, ...]
    target: int
    reuse: int | None  # a register whose buffer is free from here on
    frees: tuple[int, ...]  # registers whose buffers may be reused by later steps


UNARY: dict[Any, str] = {
    exp2_symbol(): "exp2",
    sympy.exp: "exp",
    sympy.log: "log",
    sympy.sin: "sin",
    sympy.cos: "cos",
    sympy.tan: "tan",
    sympy.tanh: "tanh",
    sympy.sinh: "sinh",
    sympy.cosh: "cosh",
    sympy.acos: "acos",
    sympy.asin: "asin",
    sympy.atan: "atan",
    sympy.erf: "erf",
    sympy.Abs: "abs",
    sympy.sign: "sign",
}
CLAMPED = ("acos", "asin")  # rounding may push a cosine past one
CUSTOM: dict[str, Callable[..., Tensor]] = {}  # functions of our own: name -> f(*arguments, out=)


def custom(name: str) -> Callable[[Callable[..., Tensor]], Callable[..., Tensor]]:
    """Decorate the torch evaluation of a function registered with :func:`formula.register`."""

    def keep(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
        CUSTOM[name] = function
        return function

    return keep


Call = tuple[str, tuple[Any, ...], int]  # name, operands, target register


class Program:
    """Evaluates several expressions over tiles.

    Parameters
    ----------
    expressions : sequence of sympy.Expr
        What to evaluate; common parts are evaluated once.
    inputs : sequence of sympy.Symbol
        Tiles: their buffers are overwritten when they are needed no more.
    scalars : sequence of sympy.Symbol
        Parameters: tensors that broadcast against a tile; never overwritten.
    """

    def __init__(
        self,
        expressions: Sequence[sympy.Expr],
        inputs: Sequence[sympy.Symbol],
        scalars: Sequence[sympy.Symbol],
    ) -> None:
        self.inputs = len(inputs)
        self._known: dict[sympy.Expr, tuple[bool, Any]] = {
            s: (True, k) for k, s in enumerate((*inputs, *scalars))
        }
        self._tiles = set(range(len(inputs)))
        self._count = len(self._known)
        calls: list[Call] = []
        replacements, reduced = sympy.cse(list(expressions), symbols=sympy.numbered_symbols("x"))
        for symbol, part in replacements:
            self._known[symbol] = self._operand(part, calls)
        self.outputs = [self._as_register(e, calls) for e in reduced]
        self.steps = self._schedule(calls)

    def __call__(
        self,
        tiles: Sequence[Tensor],
        scalars: Sequence[Tensor] = (),
        like: Tensor | None = None,
        spare: Sequence[Tensor] = (),
    ) -> list[Tensor]:
        """Evaluate; the tensors in ``tiles`` and ``spare`` are overwritten.

        ``like`` gives the shape of a tile where there is no input tile (a constant).
        """
        like = tiles[0] if like is None else like
        registers: list[Any] = [None] * self._count
        registers[: len(tiles) + len(scalars)] = (*tiles, *scalars)
        spare = list(spare)
        for step in self.steps:
            arguments = [registers[a] if kind else a for kind, a in step.operands]
            if step.reuse is not None:
                out = registers[step.reuse]
            else:
                out = spare.pop() if spare else torch.empty_like(like)
            registers[step.target] = _call(step.call, arguments, out)
            spare.extend(registers[k] for k in step.frees)
        return [registers[k] for k in self.outputs]

    # -- from expressions to calls -------------------------------------------------------------

    def _as_register(self, e: sympy.Expr, calls: list[Call]) -> int:
        kind, value = self._operand(e, calls)
        if not kind or value not in self._tiles:  # a constant or a parameter fills the tile
            return self._emit("fill", ((kind, value),), calls, tile=True)
        return int(value)

    def _operand(self, e: sympy.Expr, calls: list[Call]) -> tuple[bool, Any]:
        if e.is_number:
            return False, float(e)
        if e not in self._known:
            self._known[e] = self._lower(e, calls)
        return self._known[e]

    def _lower(self, e: sympy.Expr, calls: list[Call]) -> tuple[bool, Any]:
        if isinstance(e, sympy.Add):
            return self._chain("add", list(e.args), calls)
        if isinstance(e, sympy.Mul):
            return self._chain("mul", list(e.args), calls)
        if isinstance(e, sympy.Pow):
            return self._power(e, calls)
        operands = tuple(self._operand(a, calls) for a in e.args)
        if operands and not any(is_register for is_register, _ in operands):
            return False, float(e.func(*(value for _, value in operands)))
        if e.func in (sympy.Max, sympy.Min):
            name = "maximum" if e.func is sympy.Max else "minimum"
            return True, self._emit(name, operands, calls)
        name = UNARY.get(e.func, e.func.__name__)
        if name not in UNARY.values() and name not in CUSTOM:
            raise ValueError(
                f"the profile uses {e if e.is_Symbol else e.func.__name__}, "
                "which the engine cannot evaluate"
            )
        return True, self._emit(name, operands, calls)

    def _chain(self, name: str, args: list[sympy.Expr], calls: list[Call]) -> tuple[bool, Any]:
        """Sums and products, numbers and parameters first: they cost no pass over a tile."""
        operands = [self._operand(a, calls) for a in args]
        numbers = [value for is_register, value in operands if not is_register]
        rest = sorted((o for o in operands if o[0]), key=lambda o: o[1] in self._tiles)
        if numbers:
            number = sum(numbers) if name == "add" else math.prod(numbers)
            if number != (0.0 if name == "add" else 1.0) or not rest:
                rest.insert(0, (False, number))
        first = rest[0]
        for operand in rest[1:]:
            first = True, self._emit(name, (operand, first), calls)
        return first

    def _power(self, e: sympy.Pow, calls: list[Call]) -> tuple[bool, Any]:
        base, exponent = self._operand(e.base, calls), self._operand(e.exp, calls)
        if not base[0] and not exponent[0]:
            return False, float(base[1]) ** float(exponent[1])
        if e.exp == -sympy.S.Half:
            return True, self._emit("rsqrt", (base,), calls)
        if not (e.exp * 2).is_Integer or abs(e.exp) > 16:
            return True, self._emit("pow", (base, exponent), calls)
        power = abs(e.exp)
        if not power.is_Integer:  # x**(k/2) is sqrt(x)**k: torch.pow is many times slower
            base, power = (True, self._emit("sqrt", (base,), calls)), power * 2
        base = self._integer_power(base, int(power), calls)
        return (True, self._emit("reciprocal", (base,), calls)) if e.exp < 0 else base

    def _integer_power(
        self, base: tuple[bool, Any], power: int, calls: list[Call]
    ) -> tuple[bool, Any]:
        """Repeated squaring."""
        if power == 1:
            return base
        if power % 2:
            less = self._integer_power(base, power - 1, calls)
            return True, self._emit("mul", (less, base), calls)
        half = self._integer_power(base, power // 2, calls)
        return True, self._emit("square", (half,), calls)

    def _emit(
        self,
        name: str,
        operands: tuple[Any, ...],
        calls: list[Call],
        tile: bool | None = None,
    ) -> int:
        target = self._count
        self._count += 1
        calls.append((name, operands, target))
        if tile or any(kind and value in self._tiles for kind, value in operands):
            self._tiles.add(target)
        return target

    # -- buffers -------------------------------------------------------------------------------

    def _schedule(self, calls: list[Call]) -> list[Step]:
        last: dict[int, int] = {}
        for k, (_, operands, _) in enumerate(calls):
            for kind, value in operands:
                if kind and value in self._tiles:
                    last[value] = k
        for k in self.outputs:
            last[k] = len(calls)
        steps = []
        for k, (name, operands, target) in enumerate(calls):
            free = [v for kind, v in operands if kind and last.get(v) == k]
            free = list(dict.fromkeys(free))
            if target not in self._tiles:  # a scalar: a fresh small tensor
                steps.append(Step("scalar:" + name, operands, target, None, ()))
                continue
            reuse = free[0] if free and name not in CUSTOM else None
            steps.append(Step(name, operands, target, reuse, tuple(v for v in free if v != reuse)))
        return steps

    @functools.cached_property
    def buffers(self) -> int:
        """How many tiles are alive at once."""
        alive = self.inputs
        most = alive
        spare = 0
        for step in self.steps:
            if step.reuse is None and not step.call.startswith("scalar:"):
                if spare:
                    spare -= 1
                else:
                    alive += 1
            spare += len(step.frees)
            most = max(most, alive)
        return most


def _call(name: str, arguments: list[Any], out: Tensor) -> Tensor:
    if name.startswith("scalar:"):
        return _scalar(name.removeprefix("scalar:"), arguments)
    if name == "fill":
        return (
            out.copy_(arguments[0]) if isinstance(arguments[0], Tensor) else out.fill_(arguments[0])
        )
    if name in CUSTOM:
        return CUSTOM[name](*arguments, out=out)
    if name in ("maximum", "minimum"):
        return _extremum(name, arguments, out)
    if name in CLAMPED:
        torch.clamp(arguments[0], -1.0, 1.0, out=out)
        arguments = [out]
    if name == "pow":
        return torch.pow(*arguments, out=out)
    return getattr(torch, name)(*_tensor_first(arguments), out=out)


def _scalar(name: str, arguments: list[Any]) -> Tensor:
    """The same call on parameters: they are small, so a fresh tensor each time."""
    shape = torch.broadcast_shapes(*(a.shape for a in arguments if isinstance(a, Tensor)))
    like = next(a for a in arguments if isinstance(a, Tensor))
    return _call(name, arguments, torch.empty(shape, dtype=like.dtype, device=like.device))


def _tensor_first(arguments: list[Any]) -> list[Any]:
    """``add`` and ``mul`` want the tensor before the number."""
    if len(arguments) == 2 and not isinstance(arguments[0], Tensor):
        return arguments[::-1]
    return arguments


def _extremum(name: str, arguments: list[Any], out: Tensor) -> Tensor:
    tensors = [a for a in arguments if isinstance(a, Tensor)]
    numbers = [a for a in arguments if not isinstance(a, Tensor)]
    if numbers:
        bound = {"min" if name == "maximum" else "max": numbers[0]}
        torch.clamp(tensors[0], **bound, out=out)
    else:
        getattr(torch, name)(tensors[0], tensors[1], out=out)
        tensors = tensors[1:]
    for more in tensors[1:]:
        getattr(torch, name)(out, more, out=out)
    return out


@functools.lru_cache(maxsize=4096)
def compile_program(
    expressions: tuple[sympy.Expr, ...],
    inputs: tuple[sympy.Symbol, ...],
    scalars: tuple[sympy.Symbol, ...],
) -> Program:
    """The program of these expressions, made once."""
    return Program(expressions, inputs, scalars)

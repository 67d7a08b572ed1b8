"""A profile as a SymPy expression of scores and parameters: the text that every backend reads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import sympy

SCORES = ("squared_distance", "l1_distance", "dot", "sign")


@functools.cache
def score_symbol(k: int, kind: str) -> sympy.Symbol:
    """The symbol of score ``k`` in a profile: distances are known to be nonnegative, dots real."""
    return sympy.Symbol(f"s{k}", real=True, nonnegative=True if "distance" in kind else None)


@functools.cache
def parameter_symbol(k: int) -> sympy.Symbol:
    """The symbol of parameter ``k`` in a profile."""
    return sympy.Symbol(f"p{k}", real=True)


@dataclass(frozen=True)
class Formula:
    """``F(s_0, s_1, ...; p_0, p_1, ...)``: a profile over the scores of one pair ``(x_i, y_j)``.

    Parameters
    ----------
    expression : sympy.Expr
        In the symbols ``s0, s1, ...`` of the scores and ``p0, p1, ...`` of the parameters.
    kinds : tuple of str
        The kind of each score: ``squared_distance``, ``l1_distance``, ``dot``, or ``sign`` (of the
        difference of one coordinate; it appears in derivatives of the L1 distance).
    parameters : int
        How many parameters the expression may use.
    """

    expression: sympy.Expr
    kinds: tuple[str, ...]
    parameters: int = 0
    text: str = field(init=False, compare=False)
    """A string from which :func:`parse` makes this formula again."""

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in SCORES:
                raise ValueError(f"score must be one of {', '.join(SCORES)}, got {kind!r}")
        known = {*self.symbols, *self.parameter_symbols}
        if unknown := self.expression.free_symbols - known:
            names = ", ".join(sorted(map(str, unknown)))
            raise ValueError(f"profile uses unknown symbols: {names}")
        text = f"{','.join(self.kinds)}|{self.parameters}|{self.expression}"
        object.__setattr__(self, "text", text)

    @property
    def symbols(self) -> list[sympy.Symbol]:
        """The symbols of the scores."""
        return [score_symbol(k, kind) for k, kind in enumerate(self.kinds)]

    @property
    def parameter_symbols(self) -> list[sympy.Symbol]:
        """The symbols of the parameters."""
        return [parameter_symbol(k) for k in range(self.parameters)]

    def derivative(self, symbol: sympy.Symbol) -> Formula:
        """The formula of the derivative with respect to one of its symbols."""
        return _derivative(self, symbol)

    def times_dot(self) -> Formula:
        """The formula times one more score, a dot product."""
        return _times_dot(self)

    @property
    def transposed(self) -> Formula:
        """The formula with the two points exchanged: only signs notice."""
        if "sign" not in self.kinds:
            return self
        return _transposed(self)


# Equal formulas are made once: each keeps its text, which takes a while to print.


@functools.lru_cache(maxsize=4096)
def _derivative(f: Formula, symbol: sympy.Symbol) -> Formula:
    return Formula(differentiate(f.expression, symbol), f.kinds, f.parameters)


@functools.lru_cache(maxsize=4096)
def _times_dot(f: Formula) -> Formula:
    extra = score_symbol(len(f.kinds), "dot")
    return Formula(f.expression * extra, (*f.kinds, "dot"), f.parameters)


@functools.lru_cache(maxsize=4096)
def _transposed(f: Formula) -> Formula:
    signs = {s: -s for s, kind in zip(f.symbols, f.kinds) if kind == "sign"}
    return Formula(f.expression.subs(signs), f.kinds, f.parameters) if signs else f


@functools.cache
def differentiate(expression: sympy.Expr, symbol: sympy.Symbol) -> sympy.Expr:
    """The derivative, expanded so that the ``1/sqrt(s)`` of smooth profiles cancel.

    A kink such as that of ``Max(0, u)`` has the mean of its slopes as derivative.
    """
    slope = sympy.diff(expression, symbol)
    slope = slope.replace(sympy.DiracDelta, lambda *_: sympy.Integer(0))
    slope = slope.replace(sympy.Heaviside, lambda u, *_: (1 + sympy.sign(u)) / 2)
    return sympy.Add(*(sympy.expand(term, deep=False) for term in sympy.Add.make_args(slope)))


@functools.cache
def singular_at_zero(expression: sympy.Expr, symbol: sympy.Symbol) -> bool:
    """Whether the expression is not finite where ``symbol`` (a distance) is zero."""
    value = expression.subs(symbol, 0)
    return bool(value.has(sympy.zoo, sympy.oo, -sympy.oo, sympy.nan))


@functools.cache
def parse(text: str) -> Formula:
    """The formula whose :attr:`Formula.text` is ``text``."""
    kinds_text, parameters, body = text.split("|", 2)
    kinds = tuple(kinds_text.split(",")) if kinds_text else ()
    formula = Formula(sympy.Integer(0), kinds, int(parameters))
    names = {s.name: s for s in (*formula.symbols, *formula.parameter_symbols)}
    return Formula(sympy.sympify(body, locals=names | FUNCTIONS), kinds, int(parameters))


@functools.lru_cache(maxsize=4096)
def formula_of(expression: sympy.Expr, kinds: tuple[str, ...], parameters: int) -> Formula:
    """The formula of these parts, made once: SymPy takes longer than a small product."""
    return Formula(expression, kinds, parameters)


@functools.lru_cache(maxsize=4096)
def combine(
    first: Formula,
    second: Formula,
    operation: Callable[[sympy.Expr, sympy.Expr], sympy.Expr],
) -> Formula:
    """Both formulas over the scores and parameters of both, those of ``second`` renumbered."""
    S, P = len(first.kinds), first.parameters
    moved = {
        symbol: score_symbol(S + k, kind)
        for k, (symbol, kind) in enumerate(zip(second.symbols, second.kinds))
    }
    moved |= {q: parameter_symbol(P + k) for k, q in enumerate(second.parameter_symbols)}
    expression = second.expression.subs(moved, simultaneous=True)
    return Formula(
        operation(first.expression, expression),
        first.kinds + second.kinds,
        P + second.parameters,
    )


def make(profile: sympy.Expr, kinds: Sequence[str], parameters: int) -> Formula:
    """A formula from a profile given as expression or text in ``s0, s1, ..., p0, p1, ...``."""
    return parse(f"{','.join(kinds)}|{parameters}|{profile}")


FUNCTIONS: dict[str, sympy.FunctionClass] = {}


def register(function: sympy.FunctionClass) -> sympy.FunctionClass:
    """Make a SymPy function of our own known to :func:`parse`; used as a decorator."""
    FUNCTIONS[function.__name__] = function
    return function

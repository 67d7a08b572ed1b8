"""The definition in float64, which every backend is held to, and how far a result is from it."""

from __future__ import annotations

import torch

from mercer.engine import definition, make, reduce
from tests.engine.cases import inputs


def problem(kinds, P, n, m, d, c, device="cpu", batch=()):
    """Points whose scores are of the order of one, in float32."""
    scale = 1.0 / d if "l1_distance" in kinds and len(kinds) == 1 else d**-0.5
    X, Y, p, V = inputs(kinds, P, n, m, d, c, batch=batch, dtype=torch.float32)
    points = ([scale * x.to(device) for x in part] for part in (X, Y))
    return (*points, [q.to(device) for q in p], V.to(device))


def double(*parts):
    """The same numbers in float64 on the CPU, as leaves of a graph of their own."""
    return [t.detach().cpu().double().requires_grad_() for part in parts for t in part]


def error(got, want):
    """Relative to the norm; absolute where nothing but zero is wanted."""
    size = want.norm().item()
    return (got.detach().cpu().double() - want).norm().item() / (size or 1.0)


def exact(text, kinds, P, tensors, mask=None, rows=False):
    """The definition; a row that the mask empties has the value zero."""
    S = len(kinds)
    X, Y, p, V = tensors[:S], tensors[S : 2 * S], tensors[2 * S : -1], tensors[-1]
    F = make(text, kinds, P)
    out = definition.reduce(F, X, Y, p, V, mask)
    if not rows:
        return out
    total = definition.reduce(F, X, Y, p, torch.ones_like(V[..., :1]), mask)
    return out / torch.where(total == 0, 1.0, total)


def run(text, kinds, P, tensors, **how):
    """The reduction as a function of a flat list of tensors."""
    S = len(kinds)
    X, Y, p, V = tensors[:S], tensors[S : 2 * S], tensors[2 * S : -1], tensors[-1]
    return reduce(kinds, text, X, Y, V, parameters=p, **how)


def first(f, tensors, U, graph=False):
    """The gradients of ``sum(U f)``."""
    out = (f(tensors) * U).sum()
    grads = torch.autograd.grad(out, tensors, create_graph=graph, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, grads)]


def second(f, tensors, U, R):
    """The gradients of ``sum(R g)``, g being those of ``sum(U f)``."""
    grads = first(f, tensors, U, graph=True)
    along = sum((g * r).sum() for g, r in zip(grads, R))
    more = torch.autograd.grad(along, tensors, allow_unused=True)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, more)]


def compare(backend, text, kinds, P, problem, tolerance, order=1, rows=False, **how):
    """Gradients in every argument, of first or second order, against the definition's."""
    X, Y, p, V = problem
    device, normalise = V.device, "rows" if rows else None
    tensors = [t.requires_grad_() for t in (*X, *Y, *p, V)]
    copies = double(tensors)
    U = torch.randn(*V.shape[:-2], X[0].shape[-2], V.shape[-1])
    R = [torch.randn(t.shape) for t in tensors]

    def fast(t):
        return run(text, kinds, P, t, backend=backend, normalise=normalise, **how)

    def slow(t):
        return exact(text, kinds, P, t, how.get("mask"), rows)

    if order == 1:
        got, want = first(fast, tensors, U.to(device)), first(slow, copies, U.double())
    else:
        got = second(fast, tensors, U.to(device), [r.to(device) for r in R])
        want = second(slow, copies, U.double(), [r.double() for r in R])
    names = [*(f"X{k}" for k in range(len(X))), *(f"Y{k}" for k in range(len(Y))),
             *(f"p{k}" for k in range(P)), "V"]  # fmt: skip
    whole = torch.cat([w.flatten() for w in want]).norm().item()
    wrong = {}
    for name, g, w in zip(names, got, want):
        e = error(g, w)
        if name.startswith("p"):  # a sum over all pairs, in which signs cancel
            e *= (w.norm().item() or 1.0) / (whole or 1.0)
        if not e < tolerance:
            wrong[name] = e
    assert not wrong

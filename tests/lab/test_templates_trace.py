"""Formulas of extents, and the graph that a reference is traced to."""

import pytest
import torch
from torch import nn

from mercer.lab import normal, problem
from mercer.lab.problems import find
from mercer.lab.templates import Unsupported, trace
from mercer.lab.templates.axis import Axis, Split, Term, Value, cut
from mercer.lab.templates.extent import Formulas
from tests.lab.traced import traced

SIZES = {"odd": (7, 33), "small": (64, 128), "desk": (512, 512), "race": (8192, 4096)}
N, M = (7, 64, 512, 8192), (33, 128, 512, 4096)


@pytest.mark.parametrize(
    "values",
    [
        N,
        tuple(n * m for n, m in zip(N, M)),
        tuple(n - 1 for n in N),
        tuple(m // 2 + 1 for m in M),
        tuple(2 * n - 1 for n in N),
        tuple(n + m for n, m in zip(N, M)),
        (5, 5, 5, 5),
        tuple(m**-0.5 for m in M),
        tuple(3 / n for n in N),
    ],
)
def test_formulas_give_the_number_at_every_size(values):
    text = Formulas({"n": N, "m": M})(values)
    for n, m, value in zip(N, M, values):
        assert eval(text, {"n": n, "m": m}) == pytest.approx(value, rel=1e-9)


def test_numbers_without_a_formula_are_refused():
    with pytest.raises(Unsupported, match="no formula"):
        Formulas({"n": N})((1, 5, 2, 9))


def test_an_index_is_cut_where_the_boundary_is_and_splits_the_axis_where_it_is_not():
    a, b = Axis("a", (6,)), Axis("b", (4,))
    assert cut((a, b), [(6,), (4,)], None, None) == [(a,), (b,)]
    assert cut((a, b), [(24,)], None, None) == [(a, b)]
    with pytest.raises(Split) as split:
        cut((a, b), [(3,), (8,)], None, None)
    assert split.value.axis is a
    assert split.value.parts == ((3,), (2,))


def test_an_index_without_a_fitting_boundary_is_flattened():
    whole = Term(Value("x"), (6,))
    seen = []

    def divide(term, inner):
        seen.append(inner)
        return Term(Value("q"), (3,)), Term(Value("r"), inner)

    parts = cut((Axis("a", (2,)), Axis("b", (3,))), [(3,), (2,)], divide, lambda index: whole)
    assert [p[0].value.text for p in parts] == ["q", "r"]
    assert seen == [(2,)]


def test_the_same_operation_is_traced_once():
    graph = trace(find("softmax_entropy"))
    assert sum(n.op == "max" for n in graph.nodes) == 1


def test_parameters_keep_their_names():
    graph = traced(find("layer_norm"))
    assert set(graph.parameters) == set(find("layer_norm").reference("odd").state_dict())


def test_tensors_outside_the_state_dict_are_refused():
    @problem(1, SIZES)
    class Hidden(nn.Module):
        """Adds what nobody may see."""

        def __init__(self):
            super().__init__()
            self.hidden = torch.ones(3)

        @staticmethod
        def arguments(rows, columns):
            return [normal(rows, 3)]

        def forward(self, x):
            return x + self.hidden

    with pytest.raises(Unsupported, match="not in its state dict"):
        trace(Hidden)


def test_different_programs_at_different_sizes_are_refused():
    @problem(1, SIZES)
    class Loop(nn.Module):
        """As many steps as rows."""

        @staticmethod
        def arguments(rows, columns):
            return [normal(min(rows, 70), columns)]

        def forward(self, x):
            y = x[0]
            for k in range(1, x.shape[0]):
                y = y * 0.5 + x[k]
            return y

    with pytest.raises(Unsupported, match="different operators"):
        trace(Loop)

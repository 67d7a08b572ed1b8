"""Stretches of operators replaced, and fusion verified, on the CPU and on a GPU."""

import pytest
import torch
from torch import nn

from mercer.lab.profile import boundedness, chains, profile, verify, verify_fusion
from mercer.lab.profile.regions import capture, operator_name, operator_nodes, replaced
from tests.lab.simulated_traces import complete, simulated, trace_of


class Block(nn.Module):
    """Branches, a residual, an operator of several results, parameters on both sides."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        h = torch.relu(self.first(x)) * 2 + 1
        values, places = h.topk(8, dim=-1)
        return self.second(values) + x, places


def spans_of(count):
    """Single operators, everything, and two stretches at once."""
    return [
        *([(k, k)] for k in range(count)),
        [(0, count - 1)],
        [(0, 1), (count - 2, count - 1)],
    ]


def test_any_stretch_can_be_replaced_and_the_values_stay():
    module, x = Block().eval(), torch.randn(4, 8)
    graph = capture(module, [x])
    expected, places = module(x)
    for spans in spans_of(len(operator_nodes(graph))):
        called = []

        def wrap(stretch, called=called):
            called.append(len(operator_nodes(stretch)))
            return stretch

        with torch.no_grad():
            found = replaced(graph, spans, wrap)(x)
        torch.testing.assert_close(found[0], expected, rtol=0, atol=0)
        assert found[1].equal(places)
        assert called == [last - first + 1 for first, last in spans]


def test_what_replaces_a_stretch_is_what_runs():
    graph = capture(lambda x: torch.relu(x) + 1, [torch.ones(3)])
    assert [operator_name(node) for node in operator_nodes(graph)] == ["aten::relu", "aten::add"]
    other = replaced(graph, [(0, 0)], lambda stretch: lambda x: (x * 10,))
    assert other(torch.ones(3)).tolist() == [11, 11, 11]


def test_parameters_are_shared_not_copied():
    module, x = Block().eval(), torch.randn(4, 8)
    graph = replaced(capture(module, [x]), [(0, 2)], lambda stretch: stretch)
    with torch.no_grad():
        module.first.bias += 1.0
        assert graph(x)[0].equal(module(x)[0])


def test_stretches_that_write_in_place_are_refused():
    graph = capture(lambda x: (x + 1).relu_() * 2, [torch.ones(3)])
    with pytest.raises(ValueError, match=r"writes in place \(aten::relu_\)"):
        replaced(graph, [(0, 2)], lambda stretch: stretch)


def test_a_whole_function_on_the_cpu():
    module, x = Block().eval(), torch.randn(4, 8)
    found = verify_fusion(
        lambda x: module(x)[0], [x], None, backend="eager", repeats=3, device="cpu"
    )
    assert (found.occurrences, found.launches_before, found.predicted) == (1, 0, None)
    assert found.error == 0
    assert found.measured == found.unfused_seconds / found.fused_seconds
    assert found.text().startswith("Fusing 1 stretches by compile gained")


def test_a_fused_function_with_another_result_is_refused():
    def wrong(graph, example):
        return lambda *args: tuple(2 * value for value in graph(*args))

    with pytest.raises(ValueError, match=r"differs from the eager one by 1 of its largest entry"):
        verify_fusion(torch.relu, [torch.ones(3)], None, backend=wrong, repeats=1, device="cpu")


def test_a_result_that_is_not_a_number_is_refused():
    def wrong(graph, example):
        return lambda *args: tuple(value * float("nan") for value in graph(*args))

    with pytest.raises(ValueError, match="differs"):
        verify_fusion(torch.relu, [torch.ones(3)], None, backend=wrong, repeats=1, device="cpu")


def test_what_needs_a_gpu_is_said():
    with pytest.raises(ValueError, match="need a GPU"):
        verify_fusion(torch.relu, [torch.ones(3)], None, "cuda graph", device="cpu")
    with pytest.raises(ValueError, match="method must be one of compile, cuda graph, got 'glue'"):
        verify_fusion(torch.relu, [torch.ones(3)], None, "glue", device="cpu")


def four(x):
    return torch.tanh(torch.relu(torch.tanh(torch.relu(x))))


def test_a_chain_is_found_in_the_graph_by_its_launches():
    """With a trace of a GPU whose operators are those of the graph."""
    graph = capture(four, [torch.ones(3)])
    trace = trace_of(simulated(["relu", "tanh", "relu", "tanh"], 2.0))
    by_name = {c.kernels: c for c in chains(trace, lengths=(2,), proximity=0.1, least=1)}
    spans = verify._spans(graph, trace, by_name["relu", "tanh"])
    assert spans == [(0, 1), (2, 3)]
    assert verify._spans(graph, trace, by_name["tanh", "relu"]) == [(1, 2)]
    assert verify._spans(graph, trace, None) == [(0, 3)]
    # Launches at 1, 9, 17, 25 us; the kernels 5 us later, 2 us long: 32 us. Fused, launches at 1
    # and 9 of 4 us each: 18 us. Of all four in one, of 8 us: 14 us.
    assert verify._predicted(graph, trace, spans) == pytest.approx(32 / 18)
    assert verify._predicted(graph, trace, [(0, 3)]) == pytest.approx(32 / 14)
    other = chains(trace_of(simulated("xy", 2.0)), lengths=(2,), least=1)[0]
    with pytest.raises(ValueError, match="does not occur in this function"):
        verify._spans(graph, trace, other)


def test_a_function_that_does_something_else_at_every_call_is_refused():
    graph = capture(four, [torch.ones(3)])
    trace = trace_of(simulated(["relu", "tanh"], 2.0))
    chain = chains(trace, lengths=(2,), least=1)[0]
    with pytest.raises(ValueError, match="ran 2 operators under the profiler and 4 when"):
        verify._spans(graph, trace, chain)


def pointwise(x):
    for _ in range(4):
        x = torch.tanh(torch.sigmoid(x * 2) + 1)
    return x


@pytest.mark.gpu
def test_links_on_a_gpu():
    trace = profile(pointwise, torch.randn(64, 64, device="cuda"), steps=3)
    assert len(trace.steps) == 3
    for step in trace.steps:
        assert len(step.launches) == step.kernels == 16
        assert not step.unlinked
        assert step.tklqt > 0
        assert step.busy + step.idle == pytest.approx(step.span)
        names = [d.operators[-1].name for d in step.launches]
        assert names == 4 * ["aten::mul", "aten::sigmoid", "aten::add", "aten::tanh"]


@pytest.mark.gpu
@pytest.mark.parametrize("method", ["compile", "cuda graph"])
def test_chains_are_fused_where_they_stand(method):
    x = torch.randn(64, 64, device="cuda")
    found = chains(profile(pointwise, x), lengths=(4,), least=4)
    chain = next(c for c in found if c.operators[0] == "aten::mul")
    assert chain.fused == 4
    result = verify_fusion(pointwise, [x], chain, method, repeats=5)
    assert (result.occurrences, result.launches_before) == (4, 16)
    # A CUDA graph copies its input in, too: a copy, not a kernel.
    assert result.launches_after == 4
    assert result.predicted > 1


@pytest.mark.gpu
def test_a_whole_function_as_one_cuda_graph():
    x = torch.randn(64, 64, device="cuda")
    result = verify_fusion(pointwise, [x], None, "cuda graph", repeats=5)
    assert result.launches_after == 1
    assert result.error == 0


@pytest.mark.gpu
def test_a_long_queue_is_gpu_bound():
    def of_batch(batch):
        x = torch.randn(batch * 4096, 4096, device="cuda")
        return lambda: pointwise(pointwise(x))

    found = boundedness(of_batch, (1, 64), steps=3)
    assert found.points[-1].bound == "GPU"


def test_stretches_that_share_an_operator_become_one():
    events = []
    launches = (("relu", "ax"), ("tanh", "yx"), ("relu", "yb"), ("tanh", "c"))
    for at, (operator, kernels) in enumerate(launches):
        events.append(complete("cpu_op", f"aten::{operator}", 100 * at, 50))
        for k, name in enumerate(kernels):
            number, launch = 10 * at + k + 1, 100 * at + 20 * k + 1
            events += [
                complete("cuda_runtime", "cudaLaunchKernel", launch, 2, correlation=number),
                complete("kernel", name, launch + 5, 2, 0, 7, stream=7, correlation=number),
            ]
    trace = trace_of(events)
    (chain,) = (c for c in chains(trace, lengths=(2,)) if c.kernels == ("x", "y"))
    assert verify._spans(capture(four, [torch.ones(3)]), trace, chain) == [(0, 2)]

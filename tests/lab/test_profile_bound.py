"""Replay, boundedness and chains, against an independent simulation of launch and queue."""

import json
import math
from collections import Counter

import pytest
import torch

from mercer.lab.profile import (
    Boundedness,
    Fused,
    boundedness,
    chains,
    chains_text,
    fuse_all,
    replay,
    transition_if,
)
from tests.lab.simulated_traces import complete, simulated, trace_of

BATCHES = (1, 2, 4, 8, 16, 32, 64)


def machine(noise=0.0, steps=5, seed=0, per_sample=0.4, batches=BATCHES):
    """50 kernels of 0.4 us a sample, launched every 8 us: GPU-bound above 20."""
    names = [f"k{k}" for k in range(50)]
    return {
        b: trace_of(simulated(names, per_sample * b, steps=steps, noise=noise, seed=seed + b))
        for b in batches
    }


@pytest.mark.parametrize("execution", [2.0, 8.0, 20.0])
def test_replay_is_the_simulation(execution):
    trace = trace_of(simulated("abcabcabc", execution))
    found = replay(trace.step, 5.0)
    assert found.latency == pytest.approx(trace.step.latency)
    assert found.tklqt == pytest.approx(trace.step.tklqt)


@pytest.mark.parametrize("execution", [2.0, 20.0])
def test_replay_of_a_slower_cpu_is_the_simulation_of_one(execution):
    fast = trace_of(simulated("abcdef", execution))
    slow = trace_of(simulated("abcdef", execution, between=16.0))
    found = replay(fast.step, 5.0, cpu=2.0)
    assert found.tklqt == pytest.approx(slow.step.tklqt)
    # The first launch comes after 1 us in both simulations, after 2 in the replay.
    assert found.latency == pytest.approx(slow.step.latency + 1)


def test_replay_of_fused_launches_by_hand():
    trace = trace_of(simulated("abcd", 2.0))
    d = trace.step.dispatches
    # Launches at 1, 9, 17, 25; kernels 5 later. b and c join a: launches at 1 and 9, of 6 and 2 us.
    assert replay(trace.step, 5.0).latency == pytest.approx(32)
    found = replay(trace.step, 5.0, fused=[Fused(d[:3])])
    assert found == pytest.approx((16, 10))
    # 4 MB at 2 TB/s spare 2 us of the 6; 40 MB would spare 20, but the longest part stays.
    spared = [
        replay(trace.step, 5.0, fused=[Fused(d[1:], b)], bandwidth=2e12).latency
        for b in (0, 4_000_000, 40_000_000)
    ]
    assert spared == pytest.approx([9 + 5 + 6, 9 + 5 + 4, 9 + 5 + 2])


def test_the_transition_of_a_known_machine():
    found = Boundedness.of(machine())
    assert found.floor == pytest.approx(5.0)
    assert found.cpu_bound == (1, 2, 4, 8, 16)
    # At 32 kernel k waits 5 + 4.8 k us: on average 5 + 4.8 * 24.5 = 122.6, 24.52 times the floor.
    expected = 16 * 2 ** (math.log(2) / math.log(24.52))
    assert found.transition == pytest.approx(expected)
    assert found.spread == pytest.approx((expected, expected))
    assert [p.tklqt for p in found.points[:5]] == pytest.approx([250.0] * 5)


@pytest.mark.parametrize("seed", range(5))
def test_noise_does_not_move_the_transition_by_a_batch_size(seed):
    found = Boundedness.of(machine(noise=0.3, seed=100 * seed))
    assert found.cpu_bound == (1, 2, 4, 8, 16)
    assert 16 < found.transition < 32
    assert found.spread[0] <= found.transition * 1.05
    ratios = [p.ratio for p in found.points]
    assert ratios == sorted(ratios)


def test_one_disturbed_batch_size_does_not_change_the_bound_twice():
    traces = machine()
    # At 2 the machine was busy with something else: every kernel took 9 us.
    traces[2] = machine(per_sample=4.5, batches=(2,))[2]
    found = Boundedness.of(traces)
    bounds = [point.bound for point in found.points]
    assert bounds == sorted(bounds)  # "CPU" comes before "GPU"


def test_a_slower_cpu_moves_the_transition_up():
    names = [f"k{k}" for k in range(50)]
    slow = {b: trace_of(simulated(names, 0.4 * b, between=16.0)) for b in BATCHES}
    expected = Boundedness.of(slow).transition
    assert expected > 1.9 * Boundedness.of(machine()).transition
    assert transition_if(machine(), 2.0) == pytest.approx(expected)
    assert transition_if(machine(), 1.0) == pytest.approx(Boundedness.of(machine()).transition)


def test_without_a_transition_the_note_says_why():
    traces = machine()
    low = Boundedness.of({b: traces[b] for b in (1, 2, 4)})
    assert (low.transition, low.spread) == (None, None)
    assert low.note == "CPU-bound at all batch sizes; the largest was not far enough."
    high = Boundedness.of({b: traces[b] for b in (32, 64)})
    assert high.note == "GPU-bound at all batch sizes; the smallest was not far enough."
    assert high.cpu_bound == ()


def test_a_single_trace_knows_its_bound():
    traces = machine()
    assert [traces[b].bound() for b in BATCHES] == ["CPU"] * 5 + ["GPU"] * 2


def test_text_json_and_picture(tmp_path):
    found = Boundedness.of(machine(steps=2))
    assert "CPU-bound up to a batch of about" in found.text(rich=False)
    data = json.loads(json.dumps(found.json(), allow_nan=False))
    assert [point["bound"] for point in data["points"]] == ["CPU"] * 5 + ["GPU"] * 2
    found.draw(tmp_path / "bound.png")
    assert (tmp_path / "bound.png").read_bytes()[:4] == b"\x89PNG"


def test_on_a_cpu_there_is_a_sentence(tmp_path):
    found = boundedness(lambda b: torch.ones(b, 4).relu, (1, 3), warmup=1, steps=2, device="cpu")
    assert found.transition is None
    assert "need a run on a GPU" in found.text()
    assert json.loads(json.dumps(found.json(), allow_nan=False))["points"][1]["ratio"] is None
    found.draw(tmp_path / "cpu.png")


def test_bad_arguments():
    with pytest.raises(ValueError, match="traces must have at least one batch size"):
        Boundedness.of({})
    with pytest.raises(ValueError, match="batch size must be at least 1, got 0"):
        boundedness(lambda b: torch.ones, (0,), device="cpu")
    trace = trace_of(simulated("ab", 2.0, overhead=-3.0))
    with pytest.raises(ValueError, match="clocks of CPU and GPU"):
        Boundedness.of({1: trace})


def test_proximity_by_hand():
    trace = trace_of(simulated("abcabdabc", 2.0))
    found = {"".join(c.kernels): c for c in chains(trace, lengths=(2, 3), proximity=0.1, least=1)}
    assert {name: c.proximity for name, c in found.items()} == pytest.approx(
        {"ab": 1, "bc": 2 / 3, "ca": 1 / 2, "bd": 1 / 3, "da": 1,
         "abc": 2 / 3, "bca": 1 / 3, "cab": 1 / 2, "abd": 1 / 3, "bda": 1 / 3, "dab": 1}
    )  # fmt: skip
    ab = found["ab"]
    assert (ab.count, ab.fused, ab.saved_launches, ab.launch_ratio) == (3, 3, 3, 9 / 6)
    assert ab.operators == ("aten::a", "aten::b")
    assert ab.deterministic
    assert not found["bc"].deterministic
    # CPU-bound: three launches of 8 us fewer; the last kernel is c. 72 = 1 + 8 * 8 + 5 + 2.
    assert ab.predicted == pytest.approx(72 / (72 - 3 * 8))


def test_only_deterministic_chains_that_repeat_are_returned_unless_asked():
    trace = trace_of(simulated("abcabdabc", 2.0))
    assert {"".join(c.kernels) for c in chains(trace, lengths=(2, 3))} == {"ab"}


def test_chains_do_not_reach_over_steps():
    trace = trace_of(simulated("ab", 2.0, steps=3))
    assert {"".join(c.kernels) for c in chains(trace, lengths=(2,), proximity=0.1)} == {"ab"}


def test_counts_are_those_of_brute_force():
    word = "abcabcaabbcabcabcab"
    found = chains(trace_of(simulated(word, 2.0)), lengths=range(2, 12), proximity=0.01, least=1)
    expected = Counter(word[i:j] for i in range(len(word)) for j in range(i + 2, i + 12)
                       if j <= len(word))  # fmt: skip
    assert {"".join(c.kernels): c.count for c in found} == expected
    firsts = Counter(word)
    assert all(c.proximity == c.count / firsts[c.kernels[0]] for c in found)


def test_occurrences_that_overlap_are_fused_once():
    (chain,) = chains(trace_of(simulated("aaaaa", 2.0)), lengths=(2,), proximity=0.1)
    assert (chain.count, chain.proximity) == (4, 4 / 5)
    assert (chain.fused, chain.saved_launches, chain.launch_ratio) == (2, 2, 5 / 3)


def test_gpu_bound_steps_gain_nothing_from_fewer_launches():
    slow = chains(trace_of(simulated("abcabc", 100.0)), lengths=(2,))
    assert slow[0].launch_ratio == 6 / 4
    assert slow[0].predicted == pytest.approx(1.0)


def test_fusing_all_chains_of_a_length_is_the_simulation_of_fewer_launches():
    trace = trace_of(simulated("abcd" * 6, 2.0))
    ratio, predicted = fuse_all(trace, 4)
    assert ratio == 4
    # Six launches 8 us apart, of 8 us each, so that each begins as the one before ends.
    fused = trace_of(simulated("a" * 6, 8.0))
    assert predicted == pytest.approx(trace.step.latency / fused.step.latency)
    assert fuse_all(trace, 2)[0] == 2


def test_traffic_is_of_the_first_arguments_of_operators_but_the_first():
    events = simulated("abab", 2.0)
    for raw in events:
        if raw["cat"] == "cpu_op":
            raw["args"] = {"Input Dims": [[3, 5], []], "Input type": ["float", "Scalar"]}
    (chain,) = chains(trace_of(events), lengths=(2,))[:1]
    assert chain.saved_bytes == 2 * (2 * 4 * 15)  # two occurrences, written and read


def test_tables_of_chains():
    trace = trace_of(simulated("abcabc", 2.0))
    text = chains_text(chains(trace), rich=False)
    assert text.splitlines()[2].startswith("a > b")
    assert chains_text([]) == "No chain of kernels repeats as asked."
    json.dumps([chain.json() for chain in chains(trace)])


def launched(correlation, at, start, duration, stream=7, kind="kernel", name="k"):
    """A launch of 1 us and its work."""
    call = "cudaLaunchKernel" if kind == "kernel" else "cudaMemcpyAsync"
    return [
        complete("cuda_runtime", call, at, 1, correlation=correlation),
        complete(kind, name, start, duration, 0, stream, device=0, stream=stream,
                 correlation=correlation),
    ]  # fmt: skip


def test_a_launch_that_the_stream_was_busy_for_is_hindered():
    # The second kernel waits 6 us, for 5 of which the first still runs; the third waits for none.
    events = [*launched(1, 1, 6, 8), *launched(2, 9, 15, 2), *launched(3, 30, 35, 2)]
    assert trace_of(events).step.unhindered == (5, 5)


def test_a_replayed_copy_keeps_its_stream_busy_and_is_no_launch():
    step = trace_of([*launched(1, 0, 5, 4, kind="gpu_memcpy"), *launched(2, 2, 9, 2)]).step
    assert replay(step, 5.0) == (11, 7)  # the kernel is launched at 2 and begins at 9


def test_replayed_streams_do_not_wait_for_each_other():
    step = trace_of([*launched(1, 0, 5, 20), *launched(2, 2, 7, 2, stream=8)]).step
    assert replay(step, 5.0) == (25, 10)


def test_the_spread_is_from_the_least_to_the_greatest():
    spreads = [Boundedness.of(machine(0.3, 2, k, batches=(16, 32))).spread for k in range(6)]
    assert all(low < high for low, high in spreads)


def test_chains_end_at_a_copy():
    events = []
    for k in range(4):
        events += launched(2 * k, 20 * k, 20 * k + 5, 2, name="ab"[k % 2])
        if k % 2 == 0:
            events += launched(2 * k + 1, 20 * k + 10, 20 * k + 15, 2, kind="gpu_memcpy")
    assert [c.kernels for c in chains(trace_of(events), lengths=(2,), proximity=0.1, least=1)] == [
        ("b", "a")
    ]


def test_spared_traffic_is_time_that_a_chain_gains():
    events = simulated("abab", 100.0)
    for raw in events:
        if raw["cat"] == "cpu_op":
            raw["args"] = {"Input Dims": [[10**6]], "Input type": ["float"]}
    (slow,), (fast,) = (
        chains(trace_of(events), lengths=(2,), bandwidth=b)[:1] for b in (None, 2e11)
    )
    # 8 MB at 200 GB/s are 40 of the 200 us of either pair.
    assert slow.predicted == pytest.approx(1.0)
    assert fast.predicted == pytest.approx(406 / (406 - 80))

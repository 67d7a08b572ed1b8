"""Programs in Triton against the references in float64."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mercer.lab.problems import catalogue, find
from mercer.lab.templates import Schedule, Tiling, Unsupported, emit, fused, naive, openings
from mercer.lab.templates.plan import plan
from mercer.lab.templates.tables import tables
from tests.lab.template_cases import Waves
from tests.lab.traced import traced

triton = pytest.importorskip("triton")
SCRIPT = Path(__file__).with_name("interpreted_templates.py")
FEW = ["softmax"]
ALONE = [  # one kernel that reads every array once, neighbours from the cache
    "reverse_cumulative_sum",
    "rotary_embedding",
    "heat_step",
    "edge_strength",
    "causal_convolution_silu",
    "factorisation_machine",
    "maximum_pooling",
    "packed_lower_triangle",
    "bilinear_upsampling",
]
MORE = [
    *ALONE,
    "long_inner_product",
    "column_softmax",
    "cross_entropy",
    "group_norm",
    "row_variance",
    "bias_gelu",
    "transposition",
    "cumulative_log_sum_exp",
    "cumulative_maximum",
    "row_arg_maximum",
    "largest_five",
    "column_gather",
    "cyclic_shift",
    "total_square",
    "kullback_leibler",
    "batch_norm",
    "layer_norm",
    "causal_softmax",
    "space_to_depth",
    "total_variation",
    "mish",
    "weighted_embedding_bag",
    "adam_step",
    "standardised_tanh",
    "laplacian_product",
]


def interpreted(names, folder):
    if os.environ.get("TRITON_INTERPRET") == "1":
        from tests.lab.interpreted_templates import errors

        return errors(str(folder), names)
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", str(SCRIPT), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def wrong(found):
    return {k: e for k, e in found.items() if not (isinstance(e, float) and e < 2e-5)}


def test_programs_are_right_in_every_form(tmp_path):
    found = interpreted(FEW, tmp_path)
    assert len(found) == 4 * len(FEW)
    assert not wrong(found)


@pytest.mark.slow
def test_more_programs_are_right(tmp_path):
    assert not wrong(interpreted(MORE, tmp_path))


@pytest.mark.slow
def test_all_memory_bound_problems_are_right(tmp_path):
    names = [n for n in catalogue(tags=["memory-bound"]) if n not in OUT_OF_REACH]
    found = interpreted(names, tmp_path)
    assert not {k: e for k, e in wrong(found).items() if not str(e).startswith("Unsupported")}


OUT_OF_REACH = {  # the reference is another program at every size, or holds complex numbers
    "walsh_hadamard",
    "linear_recurrence",
    "exponential_smoothing",
    "fast_features",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(OUT_OF_REACH))
def test_what_cannot_be_written_is_refused(name):
    def write():
        graph = traced(find(name))
        return emit(graph, fused(graph, size="race"), size="race")

    with pytest.raises(Unsupported):
        write()


def kernels(candidate):
    return candidate.source.count("@triton.jit\ndef kernel")


def test_naive_programs_have_a_kernel_for_every_operation():
    graph = traced(find("softmax"))
    assert kernels(emit(graph, naive(graph), size="race")) == 5  # max, sub, exp, sum, div
    assert kernels(emit(graph, fused(graph, size="race"), size="race")) == 1


@pytest.mark.parametrize("name", ALONE)
def test_one_kernel_is_enough(name):
    graph = traced(find(name))
    candidate = emit(graph, fused(graph, size="race"), size="race")
    assert kernels(candidate) == 1
    assert "torch.ops" not in candidate.source


def test_a_product_over_a_long_axis_is_cut_and_summed():
    graph = traced(find("long_inner_product"))
    candidate = emit(graph, fused(graph, size="race"), size="race")
    assert kernels(candidate) == 2
    assert "torch.ops" not in candidate.source


def test_a_shift_there_and_back_reads_the_entry_itself():
    graph = traced(find("heat_step"))  # two steps reach the 13 points within distance 2
    candidate = emit(graph, fused(graph, size="race"), size="race")
    assert candidate.source.count("tl.load(") == 13


def test_a_costly_table_is_computed_once_where_many_entries_read_it():
    graph = traced(find("rotary_embedding"))
    small = tables(graph, size="race")
    assert [graph.node(name).op for name in small] == ["cos", "sin"]
    found = [s for s in openings(graph, size="race") if s.stored == small]
    assert len(found) == 1
    candidate = emit(graph, found[0], size="race")
    assert kernels(candidate) == 3
    last = candidate.source.split("@triton.jit\ndef kernel")[-1].split("class ModelNew")[0]
    assert "tl.cos" not in last
    assert "power(" not in last


def test_tables_depend_on_no_input_and_are_read_often():
    graph = traced(Waves)
    assert [graph.node(name).op for name in tables(graph, size="race")] == ["cos"]


@pytest.mark.parametrize("name", ["softmax", "layer_norm", "bias_gelu", "mish"])
def test_most_programs_have_no_table(name):
    assert tables(traced(find(name)), size="race") == ()


def test_windows_are_tried_without_vectors_too():
    graph = traced(find("causal_convolution_silu"))
    apart = [s for s in openings(graph, size="race") if not all_vectors(s)]
    assert len(apart) == 1
    assert emit(graph, apart[0], size="race").source.count("tl.multiple_of(") == 1
    assert all(all_vectors(s) for s in openings(traced(find("softmax")), size="race"))


@pytest.mark.parametrize(("name", "places"), [("heat_step", 4), ("edge_strength", 3)])
def test_columns_that_turn_or_fold_back_are_still_said_to_be_neighbours(name, places):
    graph = traced(find(name))
    text = emit(graph, fused(graph, size="race"), size="race").source
    assert text.count("tl.multiple_of(tl.max_contiguous(v") == places


def test_a_tile_does_not_span_a_short_axis():
    graph = traced(find("space_to_depth"))
    layout = plan(graph, fused(graph, size="race"), size="race").kernels[0].layout
    assert layout.crossed is None
    graph = traced(find("transposition"))
    assert plan(graph, fused(graph, size="race"), size="race").kernels[0].layout.crossed


def all_vectors(schedule):
    return all(tiling.vectors for tiling in schedule.tilings.values())


def test_a_triangle_is_indexed_in_32_bits():
    graph = traced(find("packed_lower_triangle"))
    candidate = emit(graph, fused(graph, size="race"), size="race")
    assert "int64" not in candidate.source


def test_long_sums_are_cut_and_finished():
    graph = traced(find("total_square"))
    schedule = fused(graph, size="race")
    assert [t.form for t in schedule.tilings.values()] == ["split"]
    assert kernels(emit(graph, schedule, size="race")) == 2


def test_a_statistic_of_few_long_rows_is_stored_before_it_is_used():
    graph = traced(find("batch_norm"))
    schedule = fused(graph, size="race")
    assert sorted(t.form for t in schedule.tilings.values()) == ["loop", "split"]


def test_the_count_of_a_part_is_stored_last():
    """Triton 3.6 cannot compile the other order where a part is read at once."""
    graph = traced(find("batch_norm"))
    text = emit(graph, fused(graph, size="race"), size="race").source
    parts = [line.split("(")[1][:2] for line in text.splitlines() if "tl.store(s" in line]
    assert parts == ["s2", "s1", "s0"]
    assert text.count("_c, mask=rm)") == 1


def test_openings_start_naive_and_are_schedules_of_the_same_graph():
    graph = traced(find("layer_norm"))
    first, *rest = openings(graph, size="race")
    assert first == naive(graph)
    assert len({s.json() for s in rest}) > 4
    assert all(Schedule.read(s.json()) == s for s in rest)


def test_tilings_refuse_what_triton_would():
    with pytest.raises(ValueError, match="block must be a power of two, got 100"):
        Tiling(block=100)
    with pytest.raises(ValueError, match="form must be one of whole, loop, split, got 'cut'"):
        Tiling(form="cut")


@pytest.mark.slow
def test_kernels_compile_for_a_gpu_and_load_vectors(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    names = ["softmax", "cross_entropy", "batch_norm", "column_sum", "mish"]
    command = [
        sys.executable,
        str(SCRIPT.with_name("compiled_templates.py")),
        str(tmp_path),
        *names,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    loads = json.loads(done.stdout.splitlines()[-1])
    assert {name.split()[0] for name in loads} == set(names)
    assert all(count > 0 for name, count in loads.items() if "finish" not in name)


@pytest.mark.gpu
@pytest.mark.parametrize("name", FEW + MORE)
def test_programs_on_a_gpu(name, tmp_path):
    problem = find(name)
    graph = traced(problem)
    reference = problem.reference("small").cuda()
    inputs = [x.cuda() for x in problem.draw("small", seed=1)]
    for number, schedule in enumerate(openings(graph, size="race")):
        candidate = emit(graph, schedule, size="race")
        path = tmp_path / f"candidate{number}.py"
        path.write_text(candidate.source)
        module = {"__name__": "candidate", "__file__": str(path)}
        exec(compile(candidate.source, str(path), "exec"), module)
        model = module["ModelNew"](*problem.initial(*problem.size("small"))).cuda()
        model.load_state_dict(reference.state_dict())
        with torch.no_grad():
            for _ in range(3):
                got, want = model(*inputs), reference(*inputs)
                torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_a_program_says_what_it_was_traced_from():
    graph = traced(find("softmax"))
    candidate = emit(graph, fused(graph, size="race"), size="race")
    assert candidate.source.startswith('"""softmax: ')
    assert candidate.language == "triton"

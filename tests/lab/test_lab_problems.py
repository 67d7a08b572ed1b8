"""Every problem of the catalogue is a fair one: determined, alive in every entry, well scaled."""

import itertools

import pytest
import torch

from mercer.lab.problems import catalogue, find, work

PROBLEMS = catalogue()
every = pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
differentiable = pytest.mark.parametrize(
    "problem", [p for p in PROBLEMS.values() if p.differentiable], ids=lambda p: p.name
)


def outputs(module, inputs):
    out = module(*inputs)
    return list(out) if isinstance(out, tuple) else [out]


def double(problem, size="odd", seed=0, parameters=0):
    """The reference and its inputs in float64, from the values of float32."""
    inputs = [t.double() if t.is_floating_point() else t for t in problem.draw(size, seed=seed)]
    return problem.reference(size, seed=parameters).double(), inputs


def cotangents(outs):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(o.shape, generator=generator, dtype=o.dtype) for o in outs]


def differentiated(problem, module, inputs):
    """What a gradient is asked for: inputs, then parameters."""
    wanted = [t.requires_grad_() for t, g in zip(inputs, problem.gradients("odd")) if g]
    return [*wanted, *module.parameters()]


def reference_is_deterministic_and_leaves_its_inputs_alone(problem):
    module, inputs = problem.reference("odd"), problem.draw("odd", seed=1)
    before = [t.clone() for t in (*inputs, *module.state_dict().values())]
    with torch.no_grad():
        first, second = outputs(module, inputs), outputs(module, inputs)
        other = outputs(problem.reference("odd"), problem.draw("odd", seed=1))
    for a, b, c in zip(first, second, other, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
        assert a.is_contiguous()
    after = [*inputs, *module.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    storages = {t.untyped_storage().data_ptr() for t in after}
    assert not storages & {o.untyped_storage().data_ptr() for o in first}
    redrawn = problem.reference("odd", seed=1)
    for (name, a), b in zip(module.named_parameters(), redrawn.parameters(), strict=True):
        assert not torch.equal(a, b), name


def reference_takes_transposed_inputs(problem):
    module, inputs = double(problem, seed=1)
    strided = [t.mT.contiguous().mT if t.dim() > 1 else t for t in inputs]
    with torch.no_grad():
        for a, b in zip(outputs(module, inputs), outputs(module, strided), strict=True):
            torch.testing.assert_close(a, b)


def float32_agrees_with_float64(problem):
    pairs = []
    for size in ("odd", "small"):
        module, inputs = double(problem, size, seed=2)
        with torch.no_grad():
            exact = outputs(module, inputs)
            single = outputs(problem.reference(size), problem.draw(size, seed=2))
        pairs += zip(single, exact, strict=True)
    for a, b in pairs:
        assert bool(a.isfinite().all())
        if not a.is_floating_point():
            assert torch.equal(a, b)
            continue
        assert a.dtype == torch.float32
        assert b.dtype == torch.float64
        assert float((a.double() - b).abs().max()) <= 1e-5 * float(b.abs().max())


def scaled_inputs_leave_values_and_gradients_finite(problem):
    for scale in (1e-3, 30.0):
        module, inputs = problem.reference("odd"), problem.draw("odd", seed=3, scale=scale)
        wanted = differentiated(problem, module, inputs) if problem.differentiable else []
        found = outs = outputs(module, inputs)
        if wanted:
            found = [*outs, *torch.autograd.grad(outs, wanted, cotangents(outs))]
        assert all(bool(t.isfinite().all()) for t in found)


@pytest.mark.slow
@differentiable
def test_gradient_is_the_slope(problem):
    module, inputs = double(problem, seed=4)
    wanted = differentiated(problem, module, inputs)
    outs = outputs(module, inputs)
    weights = cotangents(outs)
    gradients = torch.autograd.grad(outs, wanted, weights)
    generator = torch.Generator().manual_seed(6)
    along = [torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in wanted]
    slope = sum(float((g * u).sum()) for g, u in zip(gradients, along))

    def value(step):
        with torch.no_grad():
            for t, u in zip(wanted, along):
                t.add_(step * u)
            found = sum(float((o * w).sum()) for o, w in zip(outputs(module, inputs), weights))
            for t, u in zip(wanted, along):
                t.sub_(step * u)
        return found

    h = 1e-6
    size = sum(float((g * u).abs().sum()) for g, u in zip(gradients, along))
    assert size > 0
    assert abs((value(h) - value(-h)) / (2 * h) - slope) <= 1e-5 * size


def alternatives(argument, value):
    if argument.law == "index":
        return [(value + 1) % argument.high]
    if argument.law == "mask":
        return [~value]
    return [value + 5, value - 5] if argument.law == "normal" else [2 * value + 0.1]


def changes(problem, k, entry):
    """Whether some other value at an entry of input k changes the output, for one of ten seeds."""
    argument = problem.arguments(*problem.size("odd"))[k]
    for seed in range(10, 20):
        module, inputs = double(problem, seed=seed)
        with torch.no_grad():
            before = outputs(module, inputs)
            value = inputs[k].view(-1)[entry].clone()
            for other in alternatives(argument, value):
                inputs[k].view(-1)[entry] = other
                after = outputs(module, inputs)
                if any(not torch.equal(a, b) for a, b in zip(before, after)):
                    return True
    return False


def every_entry_of_every_input_and_parameter_matters(problem):
    arguments = problem.arguments(*problem.size("odd"))
    gradients = problem.gradients("odd")
    alive = [torch.zeros(a.shape, dtype=torch.bool) for a in arguments]
    module = problem.reference("odd")
    alive_parameters = [torch.zeros(p.shape, dtype=torch.bool) for p in module.parameters()]
    if problem.differentiable:
        for seed in range(12):
            module, inputs = double(problem, seed=seed)
            wanted = differentiated(problem, module, inputs)
            outs = outputs(module, inputs)
            found = torch.autograd.grad(outs, wanted, cotangents(outs))
            marked = [a for a, g in zip(alive, gradients) if g] + alive_parameters
            for mark, g in zip(marked, found, strict=True):
                mark |= g.abs() > 1e-9 * g.abs().max()
            if all(bool(mark.all()) for mark in marked):
                break
    if "partial" in problem.tags:  # only the lower triangles of the first input are read
        alive[0] |= torch.ones(alive[0].shape[-2:], dtype=torch.bool).triu(1)
        alive[0][..., 0, 0] |= "softmax" in problem.tags  # a row of one score is 1
    for k, mark in enumerate(alive):
        dead = (~mark.view(-1)).nonzero()[:, 0]
        chosen = dead[torch.randperm(len(dead), generator=torch.Generator().manual_seed(7))[:6]]
        for entry in chosen.tolist():
            assert changes(problem, k, entry), f"entry {entry} of input {k} does nothing"
    for (name, _), mark in zip(module.named_parameters(), alive_parameters, strict=True):
        assert bool(mark.all()), f"{int((~mark).sum())} entries of {name} do nothing"


def outputs_follow_their_inputs(problem):
    module = problem.reference("odd").double()
    enough = 0.4 if "partial" in problem.tags else 0.95
    runs, moving = [], 0.0
    while moving < enough and len(runs) < 96:  # rectified outputs are zero in many draws
        with torch.no_grad():
            for _ in range(8):
                inputs = problem.draw("odd", seed=len(runs))
                doubled = [t.double() if t.is_floating_point() else t for t in inputs]
                runs.append(outputs(module, doubled))
        stacks = [torch.stack(outs).double() for outs in zip(*runs)]
        moves = [stack.std(0) > 1e-6 * stack.abs().max() for stack in stacks]
        moving = min(float(m.double().mean()) for m in moves)
    assert moving >= enough
    for stack in stacks:  # what the parameters alone give is not nearly all of it
        spread = float(stack.std(0).square().mean().sqrt())
        assert spread >= 0.01 * float(stack.square().mean().sqrt())


def sizes_are_what_their_names_say(problem):
    assert list(problem.sizes) == ["odd", "small", "desk", "race"]
    module = problem.reference("odd")
    shapes = [a.shape for a in problem.arguments(*problem.size("odd"))]
    shapes += [tuple(p.shape) for p in module.parameters()]
    extents = [n for n in itertools.chain(*shapes) if n > 1]
    hidden_multiples = problem.name in ("transformer_layer", "large_filter_block")  # 4 d
    assert hidden_multiples or not any(n % 8 == 0 for n in extents)


FAIR = (
    reference_is_deterministic_and_leaves_its_inputs_alone,
    reference_takes_transposed_inputs,
    float32_agrees_with_float64,
    scaled_inputs_leave_values_and_gradients_finite,
    every_entry_of_every_input_and_parameter_matters,
    outputs_follow_their_inputs,
    sizes_are_what_their_names_say,
)


@every
def test_problem_is_fair(problem):
    for holds in FAIR:
        holds(problem)


def test_races_of_memory_bound_problems_leave_the_cache():
    widths = {"index": 8, "mask": 1}
    for problem in catalogue(tags=["memory-bound"]).values():
        arguments = problem.arguments(*problem.size("race"))
        moved = sum(torch.Size(a.shape).numel() * widths.get(a.law, 4) for a in arguments)
        assert 32e6 <= moved <= 2**28, problem.name


@pytest.mark.slow
@every
def test_desks_are_light_and_races_run_by_their_shapes(problem):
    desk, found = work(problem, "desk"), work(problem, "race")
    assert desk.bytes <= 32e6
    assert desk.flops <= 1e9
    assert found.bytes <= 2**30
    assert "memory-bound" not in problem.tags or found.intensity <= 20


@pytest.mark.slow
def test_half_precision_runs_but_where_a_tag_says_not():
    wide = catalogue(tags=["full-precision"])
    for problem in (p for name, p in PROBLEMS.items() if name not in wide):
        for dtype in (torch.bfloat16, torch.float16):
            module = problem.reference("odd").to(dtype)
            with torch.no_grad():
                outs = outputs(module, problem.draw("odd", seed=0, dtype=dtype))
            assert all(bool(o.isfinite().all()) for o in outs), problem.name
            assert all(o.dtype == dtype for o in outs if o.is_floating_point()), problem.name


def test_catalogue_counts():
    assert len(PROBLEMS) >= 110
    assert len(catalogue(tags=["memory-bound"])) >= 30
    assert all(len(catalogue(level)) >= 30 for level in (1, 2, 3))
    assert len(catalogue(tags=["mercer"])) >= 40
    assert all(name == problem.name for name, problem in PROBLEMS.items())
    assert len({p.summary for p in PROBLEMS.values()}) == len(PROBLEMS)


def test_catalogue_filters():
    chosen = catalogue(2, tags=["mercer", "reduction"])
    assert chosen
    assert all(p.level == 2 and {"mercer", "reduction"} <= p.tags for p in chosen.values())
    everything = {**catalogue(1), **catalogue(2), **catalogue(3)}
    assert list(everything) == list(PROBLEMS)
    assert catalogue(tags="softmax") == catalogue(tags=["softmax"])


def test_wrong_names_say_what_there_is():
    with pytest.raises(ValueError, match="level must be 1, 2 or 3, got 4"):
        catalogue(4)
    with pytest.raises(
        ValueError, match=r"no problem has the tag 'memory'; there are .*memory-bound"
    ):
        catalogue(tags=["memory"])
    with pytest.raises(ValueError, match="did you mean layer_norm"):
        find("layernorm")
    with pytest.raises(ValueError, match=r"catalogue\(\) lists them"):
        find("zzzzzz")

"""Problems in the public benchmark's file format, read and written."""

import importlib.util
import sys

import pytest
import torch
from torch import nn

from mercer.lab import Candidate, Problem, normal
from mercer.lab.problems import catalogue, read_problem, read_problems, work, write_problem

PROBLEMS = catalogue()
SOME = list(PROBLEMS.values())[::5]  # of every level
FILE = '''
import torch
import torch.nn as nn


class Model(nn.Module):
    """
    Scales a projection.
    """

    def __init__(self, inner: int, outer: int):
        super(Model, self).__init__()
        self.linear = nn.Linear(inner, outer)

    def forward(self, x: torch.Tensor, mask: torch.Tensor, s: float) -> torch.Tensor:
        return torch.where(mask, self.linear(x) * s, 0)


rows = 6
inner, outer = 4, 3


def get_inputs():
    return [torch.randn(rows, inner), torch.rand(rows, outer) < 0.5, 1.5]


def get_init_inputs():
    return [inner, outer]
'''


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "level2"
    folder.mkdir()
    path = folder / "17_Scaled_Projection_.py"
    path.write_text(FILE)
    return path


def test_file_becomes_a_problem(path):
    problem = read_problem(path)
    assert (problem.name, problem.level) == ("17_scaled_projection", 2)
    assert problem.summary == "Scales a projection."
    assert problem.source == FILE
    assert not problem.differentiable
    assert read_problem(path, level=1).level == 1
    x, mask, s = problem.draw("odd", seed=3)
    assert x.shape == (6, 4)
    assert mask.dtype == torch.bool
    assert s.shape == ()
    assert float(s) == 1.5
    module = problem.reference("race")
    expected = torch.where(mask, (x @ module.linear.weight.T + module.linear.bias) * 1.5, 0)
    torch.testing.assert_close(module(x, mask, s), expected)
    with pytest.raises(ValueError, match="has no size 'tiny'"):
        problem.draw("tiny", seed=0)


def test_file_draws_follow_the_seed_and_leave_the_global_generator(path):
    torch.manual_seed(11)
    before = torch.get_rng_state()
    problem = read_problem(path, differentiable=True)
    first, again, other = (problem.draw("small", seed=seed)[0] for seed in (1, 1, 2))
    weight, same, another = (
        problem.reference("small", seed=seed).linear.weight for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(weight, same)
    assert not torch.equal(weight, another)
    assert [a.shape for a in problem.arguments()] == [(6, 4), (6, 3), ()]
    assert problem.gradients("odd") == [True, False, True]
    assert torch.equal(torch.get_rng_state(), before)


def test_file_draws_scale_signed_inputs_only(path):
    path.write_text(FILE.replace("1.5]", "torch.rand(1)]"))
    problem = read_problem(path)
    x, mask, s = problem.draw("odd", seed=0)
    scaled, same_mask, same = problem.draw("odd", seed=0, scale=30.0, dtype=torch.float64)
    torch.testing.assert_close(scaled, 30 * x.double(), rtol=1e-6, atol=0)
    assert torch.equal(mask, same_mask)
    assert torch.equal(s.double(), same)


def test_shapes_of_inputs_that_look_at_their_values(path):
    drawn = "x = torch.randn(rows, inner)\n    x = x / float(x.abs().max())\n    return [x, "
    path.write_text(FILE.replace("return [torch.randn(rows, inner), ", drawn))
    problem = read_problem(path)
    assert problem.arguments()[0].shape == (6, 4)
    assert float(problem.draw("odd", seed=0)[0].abs().max()) == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("def get_inputs", "def inputs", r"does not define get_inputs$"),
        ("class Model(", "class ModelNew(", r"does not define Model; it is a solution$"),
        ("class Model(nn.Module)", "class Model(dict)", "must be a subclass of torch.nn.Module"),
        ("rows = 6", "rows = six", "the file of .* raised NameError: name 'six' is not defined"),
        ("rows = 6", "rows = = 6", "the file of .* raised SyntaxError: invalid syntax"),
    ],
)
def test_files_that_cannot_be_read_say_why(path, old, new, sentence):
    path.write_text(FILE.replace(old, new))
    with pytest.raises(ValueError, match=sentence):
        read_problem(path)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("torch.randn(rows, inner)", "torch.randn(-1)", r"get_inputs\(\) of .* raised Runtime"),
        ("torch.randn(rows, inner)", "None", "must return tensors and numbers, got NoneType"),
        ("return [torch.randn(rows, inner), ", "return 3 # ", "must return a list, got int"),
        ("return [inner, outer]", "return inner", "must return a list, got int"),
        ("return [inner, outer]", "return 1 / 0", r"get_init_inputs\(\) of .* ZeroDivision"),
        ("return [inner, outer]", "return [inner]", "Model of .* raised TypeError"),
    ],
)
def test_parts_that_raise_say_which(path, old, new, sentence):
    path.write_text(FILE.replace(old, new))
    problem = read_problem(path)
    with pytest.raises(ValueError, match=sentence) as caught:
        problem.reference("odd")(*problem.draw("odd", seed=0))
    assert "\n" not in str(caught.value)


def test_folders_are_read_in_number_order(tmp_path):
    for level, names in ((1, ["10_B", "9_A"]), (3, ["1_C"])):
        (tmp_path / f"level{level}").mkdir()
        for name in names:
            (tmp_path / f"level{level}" / f"{name}.py").write_text(FILE)
    problems = read_problems(tmp_path)
    assert list(problems) == ["9_a", "10_b", "1_c"]
    assert [p.level for p in problems.values()] == [1, 1, 3]
    (tmp_path / "level3" / "9_A.py").write_text(FILE)
    with pytest.raises(ValueError, match=r"level1/9_A.py and .*level3/9_A.py have the same name"):
        read_problems(tmp_path)
    with pytest.raises(ValueError, match="has no folder level1, level2 or level3"):
        read_problems(tmp_path / "level1")


def test_solutions_are_candidates(path):
    solution = path.with_name("solution.py")
    solution.write_text(FILE.replace("Model", "ModelNew"))
    assert Candidate.read(solution).language == "torch"


@pytest.mark.parametrize(
    "problems",
    [SOME, pytest.param(list(PROBLEMS.values()), marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_every_problem_survives_being_written(tmp_path, problems):
    """Text, parameters, inputs and outputs are the same bit for bit."""
    for problem in problems:
        path = tmp_path / f"{problem.name}.py"
        write_problem(problem, "odd", path)
        copy = read_problem(path, level=problem.level, differentiable=problem.differentiable)
        assert (copy.name, copy.summary) == (problem.name, problem.summary)
        assert "mercer.lab" not in copy.source
        ours, theirs = problem.reference("odd", seed=5), copy.reference("odd", seed=5)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        inputs, read = problem.draw("odd", seed=6), copy.draw("small", seed=6)
        assert [a.shape for a in copy.arguments()] == [t.shape for t in inputs]
        with torch.no_grad():
            expected, found = ours(*inputs), theirs(*read)
        expected, found = ((o if isinstance(o, tuple) else (o,)) for o in (expected, found))
        for a, b in zip(
            [*ours.parameters(), *inputs, *expected],
            [*theirs.parameters(), *read, *found],
            strict=True,
        ):
            assert torch.equal(a, b), problem.name


def test_file_problems_are_written_as_they_stand(path, tmp_path):
    write_problem(read_problem(path), "odd", tmp_path / "copy.py")
    assert (tmp_path / "copy.py").read_text() == FILE


def test_work_of_a_file_problem_is_counted(path):
    problem = read_problem(path)
    # 24 + 15 numbers, 18 booleans, one scalar and 18 outputs; 18 dots of 4, biases, factors
    assert work(problem, "odd").bytes == 4 * (24 + 15 + 1 + 18) + 18
    assert work(problem, "odd").flops == 2 * 18 * 4 + 18


def test_helpers_of_a_module_file_are_refused(tmp_path):
    path = tmp_path / "helped.py"
    path.write_text(
        "from torch import nn\n"
        "from mercer.lab import normal, problem\n"
        "def twice(x):\n    return 2 * x\n\n"
        "@problem(1, {'odd': (3,)})\n"
        "class Doubled(nn.Module):\n"
        "    @staticmethod\n"
        "    def arguments(n):\n        return [normal(n)]\n\n"
        "    def forward(self, x):\n        return twice(x)\n"
    )
    spec = importlib.util.spec_from_file_location("helped", path)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "helped", module)
        spec.loader.exec_module(module)
        with pytest.raises(ValueError, match="doubled uses twice of its file"):
            write_problem(module.Doubled, "odd", tmp_path / "out.py")


def test_modules_without_a_file_are_refused(tmp_path):
    class Doubled(nn.Module):
        def forward(self, x):
            return 2 * x

    Doubled.__module__ = "nowhere"
    made = Problem("doubled", 1, "Twice x.", Doubled, lambda n: [normal(n)], {"odd": (3,)})
    with pytest.raises(ValueError, match="the text of doubled is not in a file"):
        write_problem(made, "odd", tmp_path / "out.py")

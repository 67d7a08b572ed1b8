"""Problems read from the files of KernelBench: `Model`, `get_inputs`, `get_init_inputs`."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mercer.lab.argument import Argument
from mercer.lab.in_brief import in_brief
from mercer.lab.problem import DRAWING, SIZES, Problem

PARTS = ("Model", "get_inputs", "get_init_inputs")


@dataclass(frozen=True, eq=False)
class FileProblem(Problem):
    """A problem whose reference and inputs a file defines; every size is the file's own.

    Parameters
    ----------
    path : Path
    text : str
        What stands in the file.
    inputs : callable
        The file's `get_inputs`, which draws from the global generators.
    """

    path: Path = Path()
    text: str = ""
    inputs: Callable[[], Any] = list

    def reference(self, size: str, *, seed: int = 0) -> nn.Module:
        """Return the file's `Model` in float32 on the CPU, its parameters drawn from `seed`."""
        return _call(self.path, "Model", super().reference, size, seed=seed).cpu().float()

    def draw(
        self,
        size: str,
        *,
        seed: int,
        dtype: torch.dtype = torch.float32,
        scale: float = 1.0,
    ) -> list[Tensor]:
        """Call `get_inputs` with the global generator at `seed`, and leave that as it was.

        A number among the inputs becomes a tensor without axes. `scale` multiplies the inputs that
        have a negative entry: the others may be probabilities, counts or variances.
        """
        self.size(size)
        tensors = [value.detach().cpu() for value in _values(self, seed)]
        for i, value in enumerate(tensors):
            if value.is_floating_point():
                factor = scale if bool((value < 0).any()) else 1.0
                tensors[i] = (factor * value.float()).to(dtype)
        return [value.contiguous() for value in tensors]

    @property
    def source(self) -> str:
        """The whole file."""
        return self.text


def read_problem(
    path: str | Path, *, level: int | None = None, differentiable: bool = False
) -> FileProblem:
    """Read a problem from a file of the public benchmark's format, which is executed.

    Parameters
    ----------
    path : str or Path
        A Python file that defines the module class `Model`, `get_inputs()` and
        `get_init_inputs()`. It runs in this process: read only what you trust.
    level : {1, 2, 3}, optional
        Default: that of the folder's name, such as `level2`, else 1.
    differentiable : bool, optional
        Whether candidates must have the gradient too.

    Raises
    ------
    ValueError
        If the file cannot be run or lacks a part.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    module = types.ModuleType(path.stem)
    module.__file__ = str(path)
    with torch.random.fork_rng(devices=[]):
        _call(path, "the file", lambda: exec(compile(text, str(path), "exec"), vars(module)))
    missing = [part for part in PARTS if not hasattr(module, part)]
    if missing:
        hint = "; it is a solution" if hasattr(module, "ModelNew") else ""
        raise ValueError(f"{path} does not define {' and '.join(missing)}{hint}")
    if not (isinstance(module.Model, type) and issubclass(module.Model, nn.Module)):
        raise ValueError(f"Model in {path} must be a subclass of torch.nn.Module")

    def initial() -> tuple[Any, ...]:
        values = _call(path, "get_init_inputs()", module.get_init_inputs)
        if not isinstance(values, (list, tuple)):
            raise ValueError(
                f"get_init_inputs() of {path} must return a list, got {type(values).__name__}"
            )
        return tuple(values)

    folder = re.fullmatch(r"level([123])", path.parent.name)
    described = inspect.cleandoc(module.Model.__dict__.get("__doc__") or "").split("\n")[0]
    problem = FileProblem(
        name=re.sub(r"[^a-z0-9]+", "_", path.stem.lower()).strip("_"),
        level=level if level is not None else int(folder[1]) if folder else 1,
        summary=described or path.stem.strip("_").replace("_", " "),
        module=module.Model,
        arguments=lambda: _arguments(problem),
        sizes=dict.fromkeys(SIZES, ()),
        initial=initial,
        differentiable=differentiable,
        path=path,
        text=text,
        inputs=module.get_inputs,
    )
    return problem


def read_problems(folder: str | Path, *, differentiable: bool = False) -> dict[str, FileProblem]:
    """Read all problems in the folders level1, level2 and level3 of a folder, in number's order.

    Raises
    ------
    ValueError
        If there are none, one cannot be read, or two have the same name.
    """
    paths = sorted(Path(folder).glob("level[123]/*.py"), key=_order)
    problems: dict[str, FileProblem] = {}
    for path in paths:
        problem = read_problem(path, differentiable=differentiable)
        if problem.name in problems:
            raise ValueError(f"{problems[problem.name].path} and {path} have the same name")
        problems[problem.name] = problem
    if not problems:
        raise ValueError(f"{folder} has no folder level1, level2 or level3 with Python files")
    return problems


def _call(path: Path, what: str, function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call what the file defines; what it raises becomes one sentence."""
    try:
        return function(*args, **options)
    except (Exception, SystemExit) as error:
        if isinstance(error, ValueError) and str(path) in str(error):
            raise
        raise ValueError(f"{what} of {path} raised {in_brief(error)}") from error


def _values(problem: FileProblem, seed: int) -> list[Tensor]:
    with DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        values = _call(problem.path, "get_inputs()", problem.inputs)
    if not isinstance(values, (list, tuple)):
        raise ValueError(
            f"get_inputs() of {problem.path} must return a list, got {type(values).__name__}"
        )
    for value in values:
        if not isinstance(value, (Tensor, bool, int, float)):
            raise ValueError(
                f"get_inputs() of {problem.path} must return tensors and numbers, "
                f"got {type(value).__name__}"
            )
    return [value if isinstance(value, Tensor) else torch.tensor(value) for value in values]


def _arguments(problem: FileProblem) -> list[Argument]:
    """Shapes and kinds of a file's inputs."""
    try:
        with torch.device("meta"):  # shapes alone: no memory is filled
            values = _values(problem, seed=0)
    except ValueError:  # the file looks at what it draws
        values = _values(problem, seed=0)
    arguments = []
    for value in values:
        shape = tuple(value.shape)
        if value.is_floating_point():
            arguments.append(Argument(shape))
        elif value.dtype == torch.bool:
            arguments.append(Argument(shape, "mask"))
        else:
            arguments.append(Argument(shape, "index", high=1))
    return arguments


def _order(path: Path) -> tuple[str, int, str]:
    number = re.match(r"\d+", path.stem)
    return path.parent.name, int(number[0]) if number else 0, path.stem

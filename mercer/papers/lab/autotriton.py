"""AutoTriton: a rule first, then the execution, and policy optimisation relative to a group."""

from __future__ import annotations

import functools
from typing import Any

from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

LEARNS = "Group-relative policy optimisation raises the share of right kernels far above its start."
HACKED = "Rewarded for execution alone, the policy leaves the work to PyTorch instead of a kernel."
GENUINE = "With the rule before the execution, right programs are genuine kernels."
SPARED = "The rule spares executions: more genuine kernels for each candidate that is run."
RULE_ALONE = "The rule alone does not do: kernels pass it that are wrong."
CAUGHT = "The rule tells kernels from texts that only look like it."

PAPER = Paper(
    slug="autotriton",
    folder="lab",
    title="AutoTriton: Automatic Triton Programming with Reinforcement Learning in LLMs",
    url="https://arxiv.org/abs/2507.05687",
    authors=(
        "Shangzhan Li, Zefan Wang, Ye He, Yuxuan Li, Qi Shi, Jianling Li, Yonggang Hu, Wanxiang "
        "Che, Xu Han, Zhiyuan Liu, Maosong Sun"
    ),
    year=2025,
    summary=(
        "A language model for Triton, tuned on data gathered for it and then trained by group-"
        "relative policy optimisation with two rewards in sequence: a rule that reads whether the "
        "text is a Triton kernel at all, and the execution, which says whether it is right."
    ),
    parts=(
        "mercer.lab.learning.KernelRule",
        "mercer.lab.learning.Reward",
        "mercer.lab.learning.Recipe",
        "mercer.lab.learning.Trainer",
        "mercer.lab.learning.SchedulePolicy",
        "mercer.lab.templates.emit",
    ),
    claims=(LEARNS, HACKED, GENUINE, SPARED, RULE_ALONE, CAUGHT),
)

NOTE = (
    "The policy is a small recurrent network over a menu: write a Triton kernel with three details "
    "to get right, call PyTorch, define a kernel and call PyTorch, or launch a decoy and call "
    "PyTorch. Texts are real, Triton kernels from mercer's templates, and the rule reads them; "
    "whether a kernel is right is simulated: all three details must be, one of 24 ways. The "
    "published policy is a model of eight billion parameters after supervised tuning; its results "
    "on TritonBench and KernelBench need that model and GPUs and are not claimed here. The tables "
    "of the text could not be read."
)
FORMS = ("whole", "loop")
ENTRIES = (512, 1024, 2048)
WARPS = (1, 2, 4, 8)
RIGHT = {"form": "whole", "entries": 1024, "warps": 4}
PROGRAMS = ("kernel", "torch", "unused kernel", "decoy")
REWARDS = ("execution", "rule", "rule + execution")


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` takes more seeds.
    seed : int
        Of policies and samples.

    Returns
    -------
    Result
    """
    seeds = [seed + k for k in range(12 if scale == "full" else 3)]
    curves = {name: [_trained(name, s) for s in seeds] for name in REWARDS}
    genuine = {name: _mean([shares for shares, _ in runs]) for name, runs in curves.items()}
    executed = {name: sum(n[-1] for _, n in runs) / len(runs) for name, runs in curves.items()}
    each = {name: sum(genuine[name]) * GROUP / max(executed[name], 1) for name in REWARDS}
    both, alone = genuine["rule + execution"], genuine["execution"]
    claims = (
        Claim.at_least(
            LEARNS,
            paper="far above",
            measured=both[-1] - both[0],
            bound=0.5,
            unit="share of right kernels at the end minus that at the start",
            if_not="The one right kernel was not found in this training.",
        ),
        Claim.at_most(
            HACKED,
            paper="reward hacking",
            measured=alone[-1],
            bound=0.1,
            unit="share of genuine right kernels at the end, execution alone",
            if_not="Kernels were found before calling PyTorch was learnt.",
        ),
        Claim.at_least(
            GENUINE,
            paper="higher",
            measured=both[-1],
            bound=0.8,
            unit="share of genuine right kernels at the end, rule and execution",
            if_not="Training ended before the kernel was learnt.",
        ),
        Claim.at_least(
            SPARED,
            paper="",
            measured=each["rule + execution"] / max(each["execution"], 1e-3),
            bound=2.0,
            unit="times as many genuine right kernels for each execution",
            if_not="Most programs pass the rule anyway.",
        ),
        Claim.at_most(
            RULE_ALONE,
            paper="lower",
            measured=genuine["rule"][-1],
            bound=0.5,
            unit="share of right kernels at the end, rule alone",
            if_not="The kernels that it settled on happen to be right.",
        ),
        Claim.at_least(
            CAUGHT,
            paper="",
            measured=_caught(),
            bound=1.0,
            unit="share of 27 texts that the rule judges rightly",
            if_not="A text hides what it calls, or a kernel is written as no rule expects.",
        ),
    )
    return Result(
        claims=claims,
        columns=("reward", "right at the start", "at the end", "executions", "right / execution"),
        rows=tuple((n, genuine[n][0], genuine[n][-1], executed[n], each[n]) for n in REWARDS),
        draw=lambda figure: _draw(
            figure, genuine, {n: _mean([e for _, e in curves[n]]) for n in REWARDS}
        ),
        note=NOTE,
    )


GROUP, STEPS = 24, 25


def _trained(name: str, seed: int) -> tuple[list[float], list[int]]:
    """Share of genuine right kernels over training, and executions until then."""
    from mercer.lab.learning import Outcome, Recipe, Reward
    from mercer.lab.problems import find
    from mercer.papers.lab._simulated_kernels import Menu, train

    def outcome(choice: Any) -> Outcome:
        details = all(choice.get(k) == v for k, v in RIGHT.items())
        if choice["program"] != "kernel" or details:
            return Outcome("right", True, True, 1.0)
        return Outcome("check", compiled=True)

    values = {"program": PROGRAMS, "form": FORMS, "entries": ENTRIES, "warps": WARPS}
    menu = Menu(values, ("kernel",), _text)
    reward = Reward(right=1.0, speedup=0.0)
    if name == "rule":  # whatever passes is rewarded, right or not
        reward = Reward(compiled=1.0, right=0.0, speedup=0.0)
    return train(
        menu,
        outcome,
        reward,
        Recipe.grpo(group=GROUP, learning_rate=0.02),
        find("softmax"),
        steps=STEPS,
        seed=seed,
        rule=None if name == "execution" else _cached_rule(),
        watch=lambda found, choice: found.right and choice["program"] == "kernel",
    )


@functools.cache
def _cached_rule() -> Any:
    """The rule, reading each text once."""
    from mercer.lab.learning import KernelRule

    rule = KernelRule()
    known: dict[str, Any] = {}

    def read(problem: Any, candidate: Any) -> Any:
        if candidate.digest not in known:
            known[candidate.digest] = rule(problem, candidate)
        return known[candidate.digest]

    return read


@functools.cache
def _graph() -> Any:
    """The operations of a softmax."""
    from mercer.lab.problems import find
    from mercer.lab.templates import trace

    return trace(find("softmax"))


@functools.cache
def _kernel(form: str, entries: int, warps: int) -> str:
    """A softmax kernel from the templates."""
    from mercer.lab.templates import Schedule, Tiling, emit

    tiling = Tiling(form, entries=entries, block=entries, warps=warps, online=True)
    return emit(_graph(), Schedule(default=tiling, joined=True), size="small").source


def _text(choice: Any) -> tuple[str, str]:
    """The program that a choice stands for."""
    torch_module = (
        "class ModelNew(nn.Module):\n    def forward(self, x):\n"
        "        return torch.softmax(x, dim=-1)\n"
    )
    if choice["program"] == "kernel":
        return _kernel(choice["form"], choice["entries"], choice["warps"]), "triton"
    if choice["program"] == "torch":
        return f"import torch\nfrom torch import nn\n\n\n{torch_module}", "triton"
    head = _kernel("whole", 1024, 4)
    head = head[: head.index("class ModelNew")]
    if choice["program"] == "unused kernel":
        return head + torch_module, "triton"
    name = head[head.rindex("def kernel_") + 4 : head.index("(", head.rindex("def kernel_"))]
    decoy = f"        {name}[(1,)](x)\n        return torch"
    return head + torch_module.replace("        return torch", decoy), "triton"


def _caught() -> float:
    """The share of the menu's texts, all 24 kernels and the three others, judged rightly."""
    import itertools

    from mercer.lab.candidate import Candidate
    from mercer.lab.problems import find

    choices: list[dict[str, Any]] = [
        {"program": "kernel", "form": f, "entries": e, "warps": w}
        for f, e, w in itertools.product(FORMS, ENTRIES, WARPS)
    ]
    choices += [{"program": program} for program in PROGRAMS[1:]]
    rule, problem = _cached_rule(), find("softmax")
    right = [
        rule(problem, Candidate(*_text(c))).accept == (c["program"] == "kernel") for c in choices
    ]
    return sum(right) / len(right)


def _mean(runs: Any) -> list[float]:
    return [sum(column) / len(runs) for column in zip(*runs)]


def _draw(figure: Any, genuine: Any, executed: Any) -> None:
    """Share of genuine kernels over steps, and over the candidates that were run."""
    left, right = figure.subplots(1, 2)
    for k, name in enumerate(REWARDS):
        left.plot(genuine[name], color=f"C{k}", label=name)
        right.plot(executed[name], genuine[name], color=f"C{k}", label=name)
    left.set(xlabel="steps", title="genuine right kernels", ylim=(-0.02, 1.02))
    right.set(xlabel="candidates run", title="the same", ylim=(-0.02, 1.02))
    left.legend(fontsize=8)

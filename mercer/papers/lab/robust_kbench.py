"""robust-kbench: a check of kernels that cannot be cheated, and that refuses no right one."""

from __future__ import annotations

from typing import Any

from mercer.papers.card import Paper
from mercer.papers.claim import Claim
from mercer.papers.result import Result

FOOLED = "Comparing in one process, in one shape, to a constant tolerance can be exploited."
CAUGHT = "Varied conditions, isolated and with the judge's own clock, catch the exploits."
RIGHT = "Right candidates pass."
TOLERANCE = "No constant tolerance parts half precision inside from rounding in single precision."
READER = "A verifier that only reads the text tells wrong from right better than chance."

PAPER = Paper(
    slug="robust-kbench",
    folder="lab",
    title="Towards Robust Agentic CUDA Kernel Benchmarking, Verification, and Optimization",
    url="https://arxiv.org/abs/2509.14279",
    authors="Robert Tjarko Lange, Qi Sun, Aaditya Prasad, Maxence Faldor, Yujin Tang, David Ha",
    year=2025,
    summary=(
        "A benchmark that tries kernels forward and backward under varied shapes and inputs, since "
        "earlier ones could be exploited, and an evolutionary search whose candidates are read by "
        "language models before they are compiled."
    ),
    parts=(
        "mercer.lab.verify.check",
        "mercer.lab.verify.StaticVerifier",
        "mercer.lab.sandbox.Pool",
        "mercer.lab.timing.race",
        "mercer.lab.channels.adapt",
    ),
    claims=(FOOLED, CAUGHT, RIGHT, TOLERANCE, READER),
)

NOTE = (
    "Nine exploits, written for this. The weak check is ours too, made like those that are "
    "criticised: relative and absolute tolerance 0.01, one input. Who patches the clock is caught "
    "if the race gives it no speed-up. Right candidates: solutions of the operators of both "
    "channels by other formulas than the references, and the references of networks' layers with "
    "their gradients. Exploits are checked forward only, but for that of the gradient. "
    "Constant tolerances: 1e-7 to 0.1, both relative and absolute, on a running "
    "sum of 4,096 numbers in single precision (right) and a softmax in half precision (wrong). The "
    "verifier walks over the syntax tree; the published one asks a language model. Published: the "
    "mean speed-up of earlier kernels fell from 3.13 to 1.49 without contaminated problems, as "
    "read in a summary; the text's tables could not be read."
)
LAYERS = ("layer_norm", "rms_norm", "softmax", "gelu", "row_sum", "mean_squared_error",
          "softmax_entropy", "residual_rms_norm", "matrix_vector_product", "bias_gelu")  # fmt: skip
QUICK = {"sizes": ("odd",), "seeds": 1, "scales": (1.0, 30.0), "layouts": ("contiguous", "offset")}


def run(scale: str, *, seed: int = 0) -> Result:
    """Measure the claims; see :func:`mercer.papers.run`.

    Parameters
    ----------
    scale : {"quick", "full"}
        ``full`` tries right candidates in every call and condition.
    seed : int
        Of the inputs.

    Returns
    -------
    Result
    """
    from mercer.lab.sandbox import Pool
    from mercer.lab.verify import StaticVerifier, check
    from mercer.papers.lab._robust_kbench_exploits import EXPLOITS, weak_check

    read = StaticVerifier()
    rows, caught, fooled = [], 0, 0
    right = _right_candidates()
    with Pool() as pool:
        for name, (problem, candidate) in EXPLOITS.items():
            passed, seconds = weak_check(problem, candidate, tolerance=1e-2)
            backward = name == "no gradient"  # else their gradients would give them away
            verdict = check(problem, candidate, pool=pool, seed=seed, backward=backward, timeout=30)
            reason = f"{verdict.stage}: {verdict.reason}"
            if verdict.right:
                clock = name == "patched clock"  # the one whose numbers are right
                reason = _slower(problem, candidate, pool) if clock else ""
            caught, fooled = caught + bool(reason), fooled + passed
            seen = "" if read(problem, candidate).accept else "refused"
            rows.append((name, "taken" if passed else "refused", 1e6 * seconds, reason, seen))
        refused = []
        for problem, candidate, sizes in right:
            options = {**QUICK, "sizes": ("odd",)} if scale == "quick" else {"sizes": sizes}
            verdict = check(problem, candidate, pool=pool, seed=seed, **options)
            if not verdict.right:
                refused.append((problem.name, "", float("nan"), str(verdict), ""))
    least = _constant_tolerances(seed)
    seen = sum(row[-1] == "refused" for row in rows) / len(rows)
    believed = sum(read(p, c).accept for p, c, _ in right) / len(right)
    claims = (
        Claim.at_least(
            FOOLED,
            paper="loopholes",
            measured=fooled,
            bound=1,
            unit=f"of {len(rows)} exploits taken",
            if_not="None of these exploits deceives the weak check.",
        ),
        Claim.at_least(
            CAUGHT,
            paper="robust",
            measured=caught,
            bound=len(EXPLOITS),
            unit=f"of {len(rows)} exploits caught",
            if_not="One of them is taken for right and fast.",
        ),
        Claim.at_most(
            RIGHT,
            paper="none refused",
            measured=len(refused),
            bound=0,
            unit=f"of {len(right)} right candidates refused",
            if_not="The tolerance is too narrow for a right way of computing.",
        ),
        Claim.at_least(
            TOLERANCE,
            paper="constant",
            measured=least,
            bound=1,
            unit="mistakes of the best constant, of two candidates",
            if_not="These two candidates can be told apart by a constant.",
        ),
        Claim.at_least(
            READER,
            paper="accurate",
            measured=(seen + believed) / 2,
            bound=0.5,
            unit="mean of the exploits refused and the right ones accepted",
            if_not="The exploits use no names that a reader would stop at.",
        ),
    )
    return Result(
        claims=claims,
        columns=("candidate", "weak check", "weak us", "here", "reader"),
        rows=tuple(rows + refused),
        draw=lambda figure: _draw(figure, rows, fooled, caught, len(right), len(refused)),
        note=NOTE,
    )


def _right_candidates() -> list[tuple[Any, Any, tuple[str, ...]]]:
    """Solutions of the channels' operators, and layers' own texts; with the sizes to try."""
    from mercer.lab.candidate import Candidate
    from mercer.lab.channels import adapt, channel
    from mercer.lab.problems import find, standalone
    from mercer.lab.timing.baseline import baseline
    from mercer.papers.lab._tritonbench_solutions import solutions

    found: list[tuple[Any, Any, tuple[str, ...]]] = []
    for name in ("triton", "torch"):
        texts = solutions(name)
        for operator in channel(name).values():
            candidate = adapt(operator, Candidate(texts[operator.name], "torch"))
            found.append((operator.problem, candidate, operator.trials))
    for name in LAYERS:
        found.append((find(name), baseline(standalone(find(name)), "eager"), ("odd", "small")))
    return found


def _slower(problem: Any, candidate: Any, pool: Any) -> str:
    """Say that a race gives a candidate no speed-up; "" if it is faster."""
    from mercer.lab.timing import Machine, race

    entry = race(
        problem, [candidate], pool=pool, baselines=("eager",), fewest=2, most=2, block=0.005,
        machine=Machine("CPU", 1e12, 1e13),
    ).entries[-1]  # fmt: skip
    if not entry.right:
        return f"race: {entry.reason}"
    speedup = entry.speedups["eager"].median
    return f"race: {1e6 * entry.seconds:.0f} us, {speedup:.2g}x" if speedup < 1 else ""


def _constant_tolerances(seed: int) -> int:
    """Fewest mistakes of any constant tolerance over a right and a wrong candidate."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(16, 4096, generator=generator)
    sums = torch.zeros(16)
    running = []
    for column in x.unbind(1):  # in single precision, one after another
        sums = sums + column
        running.append(sums)
    right, exact = torch.stack(running, 1).double(), x.double().cumsum(1)
    wrong, truth = x.half().softmax(-1).double(), x.double().softmax(-1)
    mistakes = []
    for exponent in range(-28, -3):
        t = 10 ** (exponent / 4)
        refused = not torch.allclose(right, exact, rtol=t, atol=t)
        taken = torch.allclose(wrong, truth, rtol=t, atol=t)
        mistakes.append(refused + taken)
    return min(mistakes)


def _draw(figure: Any, rows: Any, fooled: int, caught: int, right: int, refused: int) -> None:
    """Which exploits each of three judges refuses."""
    axes = figure.subplots()
    judges = ("weak check", "reader", "check and race")
    for k, (_, weak, _, reason, seen) in enumerate(rows):
        marks = (weak == "refused", seen == "refused", bool(reason))
        for j, mark in enumerate(marks):
            axes.scatter(j, -k, s=140, marker="o", color="C2" if mark else "C3")
            axes.annotate(
                "caught" if mark else "taken",
                (j, -k),
                (12, 0),
                fontsize=8,
                textcoords="offset points",
                va="center",
            )
    axes.set_xticks(range(3), judges)
    axes.set_yticks([-k for k in range(len(rows))], [row[0] for row in rows])
    axes.set(xlim=(-0.4, 2.7), ylim=(-len(rows) + 0.4, 0.6))
    axes.set_title(
        f"{fooled} of {len(rows)} deceive the weak check, {len(rows) - caught} the check; "
        f"{refused} of {right} right ones refused",
        fontsize=9,
    )

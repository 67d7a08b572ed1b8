"""``mercer lab profile``: where a program waits."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from mercer.cli.bad_input import BadInput
from mercer.cli.lab.live import Answer, say, waiting
from mercer.cli.lab.place import check_place, device_of
from mercer.lab.in_brief import in_brief
from mercer.lab.profile import Trace, chains, chains_text, profile


def profile_script(
    script: Path, steps: int, device: str, draw: Path | None, answer: Answer | None
) -> None:
    """Record a script, or read a trace, and print its metrics and candidates for fusion.

    Parameters
    ----------
    script : Path
        A Python file, run in this process, that defines ``step()``, or ``Model`` and
        ``get_inputs()``; or a Chrome trace, ``.json`` or ``.json.gz``.
    """
    if not script.is_file():
        raise BadInput(f"{script} does not exist" if not script.exists() else f"{script}: no file")
    if draw is not None:
        _check_picture(draw)
    if script.name.endswith((".json", ".json.gz")):
        trace = Trace.read(script)
    else:
        place = device_of(device)
        step, inputs = _step(script, place)
        with waiting(f"profiling {script.name}"):
            trace = profile(step, *inputs, steps=steps, device=place)
        trace.origin = script.name
    found = chains(trace) if trace.has_kernels else []
    if answer is not None:
        answer({**trace.json(), "chains": [asdict(chain) for chain in found]})
    else:
        say(trace.text())
        if trace.has_kernels:
            say("\n" + chains_text(found))
    if draw is not None:
        trace.draw(draw)


def _check_picture(path: Path) -> None:
    """Refuse what no picture can be written to."""
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix.lower().removeprefix(".") not in kinds:
        known = ", ".join(f".{kind}" for kind in kinds)
        raise BadInput(f"--draw must end in one of {known}, got {path}")
    check_place(path, "--draw")


def _step(script: Path, device: str) -> tuple[Callable[..., Any], list[Any]]:
    """Run a file and return what it wants recorded, and what that is called with."""
    try:
        scope = runpy.run_path(str(script), run_name="__mercer__")
        if callable(scope.get("step")):
            return scope["step"], []
        kind = scope.get("ModelNew", scope.get("Model"))
        if kind is not None and callable(scope.get("get_inputs")):
            initial = scope["get_init_inputs"]() if "get_init_inputs" in scope else []
            module = kind(*initial).to(device).eval()
            values = scope["get_inputs"]()
            return module, [v.to(device) if isinstance(v, Tensor) else v for v in values]
    except (Exception, SystemExit) as error:
        raise BadInput(f"{script} raised {in_brief(error)}") from error
    raise BadInput(
        f"{script} must define step(), which is recorded, or Model and get_inputs(); "
        "a recorded trace ends in .json or .json.gz"
    )

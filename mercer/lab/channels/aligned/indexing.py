"""Entries by place: gathered, scattered, moved, repeated."""

from __future__ import annotations

from mercer.lab.channels.call import call
from mercer.lab.channels.operator import aligned

ROWS = {"n": (7, 32, 512, 8192), "m": (33, 64, 1024, 4096), "k": (5, 8, 16, 64)}
TABLE = {"n": (19, 64, 4096, 65536), "m": (10, 32, 256, 1024), "k": (23, 48, 1024, 16384)}
FUNCTIONAL = "torch.nn.functional"

INDEXING = (
    aligned(
        "gather",
        "(input, dim, index)",
        "Along an axis, the entries at the places that an index of the same rank says.",
        call("input, 1, index", input="n m", index="n k ~ index m"),
        call("input, dim=0, index=index", input="n m", index="k m ~ index n"),
        dimensions=TABLE,
    ),
    aligned(
        "index_select",
        "(input, dim, index)",
        "The slices of an axis at the places that a vector says.",
        call("input, 0, index", input="n m", index="k ~ index n"),
        call("input, dim=-1, index=index", input="n m", index="k ~ index m"),
        dimensions=TABLE,
    ),
    aligned(
        "take_along_dim",
        "(input, indices, dim)",
        "As gather, but broadcasting.",
        call("input, indices, dim=1", input="n m", indices="n 2 ~ index m"),
        call("input, indices, dim=0", input="n m", indices="1 m ~ index n"),
        dimensions=TABLE,
    ),
    aligned(
        "scatter_add",
        "(input, dim, index, src)",
        "A copy to which each entry of src is added at the place on an axis that the index says.",
        call("input, 0, index, src", input="n m", index="k m ~ index n", src="k m"),
        call("input, dim=1, index=index, src=src", input="7 m", index="7 k ~ index m", src="7 k"),
        dimensions=TABLE,
    ),
    aligned(
        "index_add",
        "(input, dim, index, source, *, alpha=1)",
        "A copy to whose slices alpha times those of source are added, at places that may repeat.",
        call("input, 0, index, source", input="n m", index="k ~ index n", source="k m"),
        call("input, 1, index, source, alpha=0.5", input="7 m", index="k ~ index m", source="7 k"),
        dimensions=TABLE,
    ),
    aligned(
        "roll",
        "(input, shifts, dims=None)",
        "Entries moved on along axes, those that fall off coming in at the start.",
        call("input, 3, 1", input="n m"),
        call("input, shifts=(1, -2), dims=(0, 1)", input="n m"),
        call("input, 5", input="k n"),
        dimensions=ROWS,
    ),
    aligned(
        "flip",
        "(input, dims)",
        "The order along axes turned round.",
        call("input, (1,)", input="n m"),
        call("input, dims=[0, -1]", input="k n m"),
        dimensions=ROWS,
    ),
    aligned(
        "tril",
        "(input, diagonal=0)",
        "Zero above a diagonal of the last two axes.",
        call("input", input="n m"),
        call("input, diagonal=-2", input="k n m"),
        call("input, 3", input="n n"),
        dimensions=ROWS,
    ),
    aligned(
        "cat",
        "(tensors, dim=0)",
        "Tensors one behind the other along an axis.",
        call("(a, b), dim=-1", a="n m", b="n k"),
        call("[a, b, c]", a="k m", b="1 m", c="n m"),
        dimensions=ROWS,
    ),
    aligned(
        "stack",
        "(tensors, dim=0)",
        "Tensors of one shape along a new axis.",
        call("(a, b), dim=-1", a="n m", b="n m"),
        call("[a, b, c]", a="n m", b="n m", c="n m"),
        dimensions=ROWS,
    ),
    aligned(
        "repeat_interleave",
        "(input, repeats, dim=None)",
        "Each slice of an axis several times in a row; without an axis, each entry.",
        call("input, 3, dim=0", input="n m"),
        call("input, 2", input="k n"),
        dimensions={**ROWS, "n": (7, 32, 512, 2048)},
    ),
    aligned(
        "embedding",
        "(input, weight)",
        "The rows of a table at the places that a tensor of any rank says.",
        call("input, weight", input="k ~ index n", weight="n m"),
        call("input=ids, weight=weight", ids="3 5 ~ index n", weight="n m"),
        module=FUNCTIONAL,
        dimensions=TABLE,
    ),
    aligned(
        "pad",
        "(input, pad, mode='constant', value=None)",
        "A tensor with a border; pad counts from the last axis, two numbers each.",
        call("input, (2, 1)", input="n m"),
        call("input, (1, 0, 0, 3), value=-1.5", input="n m"),
        call("input, (2, 2), mode='reflect'", input="k n m"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
)

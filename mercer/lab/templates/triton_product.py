"""A matrix product with few rows and columns over a long inner axis, which is bound by memory."""

from __future__ import annotations

from mercer.lab.templates.extent import is_one
from mercer.lab.templates.graph import Graph, Node
from mercer.lab.templates.schedule import Tiling
from mercer.lab.templates.writer import Kernel

SIDE = 64  # of the result, which one program holds
LENGTH = 64  # inner entries per row and column from which on the parts outweigh their sum

PRODUCT = """@triton.jit
def {name}(
    x_p, y_p, s0_p, N0: tl.constexpr, N1: tl.constexpr, N2: tl.constexpr, ACC: tl.constexpr,
    ROWS: tl.constexpr, COLUMNS: tl.constexpr, BLOCK: tl.constexpr, CHUNK: tl.constexpr,
    STAGES: tl.constexpr, PRECISION: tl.constexpr,
):
    part = tl.program_id(0)
    i = tl.arange(0, ROWS)[:, None]
    j = tl.arange(0, COLUMNS)[None, :]
    total = tl.zeros([ROWS, COLUMNS], ACC)
    first = part * CHUNK
    for start in tl.range(first, tl.minimum(first + CHUNK, N1), BLOCK, num_stages=STAGES):
        k = start + tl.arange(0, BLOCK)[None, :]
        x = tl.load(x_p + i * N1 + k, mask=(i < N0) & (k < N1), other=0).to(ACC)
        k = start + tl.arange(0, BLOCK)[:, None]
        y = tl.load(y_p + k * N2 + j, mask=(k < N1) & (j < N2), other=0).to(ACC)
        total += tl.dot(x, y, input_precision=PRECISION)
    tl.store(s0_p + part * (N0 * N2) + i * N2 + j, total, mask=(i < N0) & (j < N2))"""
SUM = """@triton.jit
def {name}(
    z_p, s0_p, N0: tl.constexpr, PARTS: tl.constexpr, ROWS: tl.constexpr, BLOCK: tl.constexpr
):
    e = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[None, :]
    q = tl.arange(0, BLOCK)[:, None]
    parts = tl.load(s0_p + q * N0 + e, mask=(q < PARTS) & (e < N0), other=0)
    tl.store(z_p + e, tl.sum(parts, 0, keep_dims=True), mask=e < N0)"""


def is_long_product(node: Node, graph: Graph, stored: set[str], size: str) -> bool:
    """Whether an operator is a product that is worth cutting along its inner axis."""
    if node.op != "aten.mm.default" or any(s.name not in stored for s in node.sources):
        return False
    x, y = node.sources
    rows, inner, columns = (e[graph.names.index(size)] for e in (*x.shape, y.shape[1]))
    largest = max(*x.shape[0], *y.shape[1])
    return largest <= SIDE and inner >= LENGTH * max(rows, columns) and not is_one(x.shape[1])


def product_kernel(node: Node, tiling: Tiling) -> Kernel:
    """Return the kernel of the parts, and with it the one of their sum."""
    name = f"kernel_{node.name}"
    x, y = node.sources

    def kernel(text: str, name: str, arrays: list[str], written: list[Node]) -> Kernel:
        source = text.format(name=name)
        return Kernel(
            name, source, arrays, written, ["float"], {}, {}, [], [], None, True, tiling
        )  # fmt: skip

    first = kernel(PRODUCT, name, [x.name, y.name], [])
    first.finish = kernel(SUM, f"{name}_finish", [node.name], [node])
    return first


def product_launch(node: Node, kernel: Kernel, numbers: list[str], empty: str) -> list[str]:
    """The statements that run both, given the texts of the three extents."""
    rows, inner, columns = numbers
    x, y, tiling, state = *kernel.arrays, kernel.tiling, f"{kernel.name}_s0"
    assert kernel.finish is not None
    finish = kernel.finish.name
    block = max(16, min(tiling.block, 128))
    return [
        f"chunk = -(-{inner} // {tiling.parts * block}) * {block}",
        f"parts = -(-{inner} // chunk)",
        f"{state} = torch.empty((parts, {rows}, {columns}), dtype=wide, device=device)",
        'precision = "ieee" if dtype == torch.float64 else "tf32x3"',
        f"launch(held, {kernel.name!r}, {kernel.name}, parts, ({x}, {y}, {state}), "
        f"dict(N0={rows}, N1={inner}, N2={columns}, ACC=acc, ROWS=max(16, up({rows})), "
        f"COLUMNS=max(16, up({columns})), BLOCK={block}, CHUNK=chunk, "
        f"STAGES={max(tiling.stages, 3)}, PRECISION=precision), {tiling.warps})",
        empty,
        f"launch(held, {finish!r}, {finish}, -(-{rows} * {columns} // 16), "
        f"({node.name}, {state}), dict(N0={rows} * {columns}, PARTS=parts, ROWS=16, "
        f"BLOCK=up(parts)), 4)",
    ]

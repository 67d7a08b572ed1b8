"""Solutions in Triton for some of the operators written for it, as texts."""

from __future__ import annotations

HEADER = """import torch
import triton
import triton.language as tl


"""

SWIGLU = (
    HEADER
    + """@triton.jit
def kernel(gate, up, out, n, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    a = tl.load(gate + i, i < n, 0.0)
    b = tl.load(up + i, i < n, 0.0)
    tl.store(out + i, a / (1 + tl.exp(-a)) * b, i < n)


def swiglu(gate, up):
    gate, up = gate.contiguous(), up.contiguous()
    out, n = torch.empty_like(gate), gate.numel()
    kernel[(triton.cdiv(n, 1024),)](gate, up, out, n, BLOCK=1024)
    return out
"""
)

FUSED_SOFTMAX = (
    HEADER
    + """@triton.jit
def kernel(x, out, d, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    values = tl.load(x + row * d + i, i < d, -float("inf"))
    e = tl.exp(values - tl.max(values, 0))
    tl.store(out + row * d + i, e / tl.sum(e, 0), i < d)


def fused_softmax(x):
    x = x.contiguous()
    out = torch.empty_like(x)
    n, d = x.shape
    kernel[(n,)](x, out, d, BLOCK=triton.next_power_of_2(d))
    return out
"""
)

RMS_NORM_RESIDUAL = (
    HEADER
    + """@triton.jit
def kernel(x, residual, weight, out, total, d, eps, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    place = row * d + i
    s = tl.load(x + place, i < d, 0.0) + tl.load(residual + place, i < d, 0.0)
    y = s / tl.sqrt(tl.sum(s * s, 0) / d + eps)
    tl.store(total + place, s, i < d)
    tl.store(out + place, y * tl.load(weight + i, i < d, 0.0), i < d)


def rms_norm_residual(x, residual, weight, eps=1e-6):
    x, residual, weight = x.contiguous(), residual.contiguous(), weight.contiguous()
    out, total = torch.empty_like(x), torch.empty_like(x)
    n, d = x.shape
    kernel[(n,)](x, residual, weight, out, total, d, eps, BLOCK=triton.next_power_of_2(d))
    return out, total
"""
)

LAYER_NORM_FORWARD = (
    HEADER
    + """@triton.jit
def kernel(x, weight, bias, out, mean, rstd, d, eps, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    values = tl.load(x + row * d + i, i < d, 0.0)
    m = tl.sum(values, 0) / d
    centred = tl.where(i < d, values - m, 0.0)
    r = 1 / tl.sqrt(tl.sum(centred * centred, 0) / d + eps)
    y = centred * r * tl.load(weight + i, i < d, 0.0) + tl.load(bias + i, i < d, 0.0)
    tl.store(out + row * d + i, y, i < d)
    tl.store(mean + row, m)
    tl.store(rstd + row, r)


def layer_norm_forward(x, weight, bias, eps=1e-5):
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    n, d = x.shape
    out, mean, rstd = torch.empty_like(x), x.new_empty(n), x.new_empty(n)
    kernel[(n,)](x, weight, bias, out, mean, rstd, d, eps, BLOCK=triton.next_power_of_2(d))
    return out, mean, rstd
"""
)

FUSED_CROSS_ENTROPY = (
    HEADER
    + """@triton.jit
def kernel(logits, targets, loss, lse, v, smoothing, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    top, mass, total = -float("inf"), 0.0, 0.0
    for start in range(0, v, BLOCK):
        i = start + tl.arange(0, BLOCK)
        values = tl.load(logits + row * v + i, i < v, -float("inf"))
        new = tl.maximum(top, tl.max(values, 0))
        mass = mass * tl.exp(top - new) + tl.sum(tl.exp(values - new), 0)
        total += tl.sum(tl.where(i < v, values, 0.0), 0)
        top = new
    chosen = tl.load(logits + row * v + tl.load(targets + row))
    full = top + tl.log(mass)
    tl.store(lse + row, full)
    tl.store(loss + row, full - (1 - smoothing) * chosen - smoothing * total / v)


def fused_cross_entropy(logits, targets, smoothing=0.0):
    logits, targets = logits.contiguous(), targets.contiguous()
    n, v = logits.shape
    loss, lse = logits.new_empty(n), logits.new_empty(n)
    block = min(4096, triton.next_power_of_2(v))
    kernel[(n,)](logits, targets, loss, lse, v, smoothing, BLOCK=block)
    return loss, lse
"""
)

ROTARY_EMBEDDING = (
    HEADER
    + """@triton.jit
def kernel(x, cos, sin, out, t, half, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.arange(0, BLOCK)
    x, out = x + row * 2 * half, out + row * 2 * half
    cos, sin = cos + row % t * 2 * half, sin + row % t * 2 * half
    left = tl.load(x + i, i < half, 0.0)
    right = tl.load(x + half + i, i < half, 0.0)
    c, s = tl.load(cos + i, i < half, 0.0), tl.load(sin + i, i < half, 0.0)
    tl.store(out + i, left * c - right * s, i < half)
    c, s = tl.load(cos + half + i, i < half, 0.0), tl.load(sin + half + i, i < half, 0.0)
    tl.store(out + half + i, right * c + left * s, i < half)


def turned(x, cos, sin):
    x = x.contiguous()
    out, half = torch.empty_like(x), x.shape[-1] // 2
    rows = x.numel() // x.shape[-1]
    kernel[(rows,)](x, cos, sin, out, x.shape[-2], half, BLOCK=triton.next_power_of_2(half))
    return out


def rotary_embedding(q, k, cos, sin):
    cos, sin = cos.contiguous(), sin.contiguous()
    return turned(q, cos, sin), turned(k, cos, sin)
"""
)

INT8_DEQUANTISE_ROWS = (
    HEADER
    + """@triton.jit
def kernel(codes, scale, out, d, BLOCK: tl.constexpr):
    row, i = tl.program_id(0), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    c = tl.load(codes + row * d + i, i < d, 0)
    s = tl.load(scale + row)
    tl.store(out + row * d + i, c.to(s.dtype) * s, i < d)


def int8_dequantise_rows(codes, scale):
    codes, scale = codes.contiguous(), scale.contiguous()
    n, d = codes.shape
    out = torch.empty(n, d, dtype=scale.dtype, device=scale.device)
    kernel[(n, triton.cdiv(d, 1024))](codes, scale, out, d, BLOCK=1024)
    return out
"""
)

MATMUL_LEAKY_RELU = (
    HEADER
    + """@triton.jit
def kernel(a, b, c, n, m, k, slope, N: tl.constexpr, M: tl.constexpr, K: tl.constexpr):
    i = tl.program_id(0) * N + tl.arange(0, N)[:, None]
    j = tl.program_id(1) * M + tl.arange(0, M)[None, :]
    total = tl.zeros((N, M), tl.float32)
    for start in range(0, k, K):
        p, q = start + tl.arange(0, K)[None, :], start + tl.arange(0, K)[:, None]
        x = tl.load(a + i * k + p, (i < n) & (p < k), 0.0)
        y = tl.load(b + q * m + j, (q < k) & (j < m), 0.0)
        total += tl.dot(x, y, input_precision="ieee")
    total = tl.where(total > 0, total, slope * total)
    tl.store(c + i * m + j, total, (i < n) & (j < m))


def matmul_leaky_relu(a, b, slope=0.01):
    a, b = a.contiguous(), b.contiguous()
    (n, k), m = a.shape, b.shape[1]
    c = torch.empty(n, m, dtype=a.dtype, device=a.device)
    grid = (triton.cdiv(n, 64), triton.cdiv(m, 64))
    kernel[grid](a, b, c, n, m, k, slope, N=64, M=64, K=32)
    return c
"""
)

FLASH_ATTENTION_FORWARD = (
    HEADER
    + """@triton.jit
def kernel(
    q, k, v, out, lse, t, d, scale,
    CAUSAL: tl.constexpr, N: tl.constexpr, M: tl.constexpr, D: tl.constexpr,
):
    head, i = tl.program_id(1), tl.program_id(0) * N + tl.arange(0, N)
    base, e = head.to(tl.int64) * t * d, tl.arange(0, D)
    here = (i[:, None] < t) & (e[None, :] < d)
    queries = tl.load(q + base + i[:, None] * d + e[None, :], here, 0.0) * scale
    top = tl.full((N,), -float("inf"), tl.float32)
    mass, total = tl.zeros((N,), tl.float32), tl.zeros((N, D), tl.float32)
    last = tl.minimum(t, (tl.program_id(0) + 1) * N) if CAUSAL else t
    for start in range(0, last, M):
        j = start + tl.arange(0, M)
        there = (j[:, None] < t) & (e[None, :] < d)
        keys = tl.load(k + base + j[:, None] * d + e[None, :], there, 0.0)
        values = tl.load(v + base + j[:, None] * d + e[None, :], there, 0.0)
        scores = tl.dot(queries, tl.trans(keys), input_precision="ieee")
        seen = j[None, :] < t
        if CAUSAL:
            seen = seen & (j[None, :] <= i[:, None])
        scores = tl.where(seen, scores, -float("inf"))
        new = tl.maximum(top, tl.max(scores, 1))
        weights = tl.exp(scores - new[:, None])
        old = tl.exp(top - new)
        mass = mass * old + tl.sum(weights, 1)
        total = total * old[:, None] + tl.dot(weights, values, input_precision="ieee")
        top = new
    tl.store(out + base + i[:, None] * d + e[None, :], total / mass[:, None], here)
    tl.store(lse + head * t + i, top + tl.log(mass), i < t)


def flash_attention_forward(q, k, v, causal=False, scale=None):
    q, k, v = q.contiguous(), k.contiguous(), v.contiguous()
    b, h, t, d = q.shape
    out, lse = torch.empty_like(q), q.new_empty(b, h, t)
    scale = d**-0.5 if scale is None else scale
    width = max(16, triton.next_power_of_2(d))
    kernel[(triton.cdiv(t, 32), b * h)](
        q, k, v, out, lse, t, d, scale, CAUSAL=causal, N=32, M=32, D=width
    )
    return out, lse
"""
)

KERNELS = {
    "swiglu": SWIGLU,
    "fused_softmax": FUSED_SOFTMAX,
    "rms_norm_residual": RMS_NORM_RESIDUAL,
    "layer_norm_forward": LAYER_NORM_FORWARD,
    "fused_cross_entropy": FUSED_CROSS_ENTROPY,
    "rotary_embedding": ROTARY_EMBEDDING,
    "int8_dequantise_rows": INT8_DEQUANTISE_ROWS,
    "matmul_leaky_relu": MATMUL_LEAKY_RELU,
    "flash_attention_forward": FLASH_ATTENTION_FORWARD,
}

"""Solutions in plain torch for operators written for Triton, by formulas of their own."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def swiglu(gate: Tensor, up: Tensor) -> Tensor:
    """By the exponential."""
    return gate * up / (1 + torch.exp(-gate))


def geglu(gate: Tensor, up: Tensor) -> Tensor:
    """By the tanh itself."""
    inner = math.sqrt(2 / math.pi) * gate * (1 + 0.044715 * gate * gate)
    return 0.5 * gate * (1 + torch.tanh(inner)) * up


def bias_gelu(x: Tensor, bias: Tensor) -> Tensor:
    """By the error function's complement."""
    y = x + bias
    return 0.5 * y * torch.erfc(-y * math.sqrt(0.5))


def masked_dropout_add(x: Tensor, keep: Tensor, residual: Tensor, p: float = 0.5) -> Tensor:
    """By a product with the mask."""
    return torch.addcmul(residual, x, keep.to(x.dtype), value=1 / (1 - p))


def adamw_step(
    weight: Tensor,
    gradient: Tensor,
    first: Tensor,
    second: Tensor,
    step: int,
    rate: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    decay: float = 0.01,
) -> tuple[Tensor, Tensor, Tensor]:
    """With the corrections moved into the step and the eps, as many kernels have it."""
    first = torch.lerp(first, gradient, 1 - beta1)
    second = beta2 * second + (1 - beta2) * gradient.square()
    root = math.sqrt(1 - beta2**step)
    move = rate * root / (1 - beta1**step)
    return (
        weight - rate * decay * weight - move * first / (second.sqrt() + eps * root),
        first,
        second,
    )


def rotary_embedding(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Half by half."""
    half = q.shape[-1] // 2
    turned = []
    for x in (q, k):
        a, b = x[..., :half], x[..., half:]
        left = a * cos[:, :half] - b * sin[:, :half]
        right = b * cos[:, half:] + a * sin[:, half:]
        turned.append(torch.cat([left, right], -1))
    return turned[0], turned[1]


def flash_attention_forward(
    q: Tensor, k: Tensor, v: Tensor, causal: bool = False, scale: float | None = None
) -> tuple[Tensor, Tensor]:
    """Over blocks of keys with a running maximum."""
    q = q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    rows = torch.arange(q.shape[2], device=q.device)[:, None]
    top = torch.full_like(q[..., :1], -math.inf)
    mass, out, start = torch.zeros_like(top), torch.zeros_like(q), 0
    for keys, values in zip(k.split(8, 2), v.split(8, 2)):
        scores = q @ keys.mT
        if causal:
            places = start + torch.arange(keys.shape[2], device=q.device)
            scores = scores.masked_fill(places > rows, -math.inf)
        new = torch.maximum(top, scores.amax(-1, keepdim=True))
        e, old = (scores - new).exp(), (top - new).exp()
        mass, out, top = mass * old + e.sum(-1, keepdim=True), out * old + e @ values, new
        start += keys.shape[2]
    return out / mass, (top + mass.log())[..., 0]


def alibi_attention(q: Tensor, k: Tensor, v: Tensor, slopes: Tensor) -> Tensor:
    """With the bias as the mask of torch's own attention."""
    time = torch.arange(q.shape[2], device=q.device)
    bias = slopes[:, None, None] * (time - time[:, None])
    seen = torch.where(time <= time[:, None], bias, -math.inf).to(q.dtype)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=seen.expand(len(q), -1, -1, -1))


def paged_attention_decode(
    q: Tensor, keys: Tensor, values: Tensor, table: Tensor, lengths: Tensor
) -> Tensor:
    """One sequence at a time, over what it has."""
    outs = []
    for query, pages, length in zip(q, table, lengths.tolist()):
        k = keys[pages].flatten(0, 1)[: length + 1]  # [T, H, D]
        v = values[pages].flatten(0, 1)[: length + 1]
        weights = ((k * query).sum(-1) * query.shape[-1] ** -0.5).softmax(0)
        outs.append((weights[..., None] * v).sum(0))
    return torch.stack(outs)


def kv_cache_scatter(cache: Tensor, new: Tensor, positions: Tensor) -> Tensor:
    """By a comparison with every time."""
    here = torch.arange(cache.shape[1], device=cache.device) == positions[:, None]
    return torch.where(here[..., None, None], new[:, None], cache)


def causal_linear_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """By the running sum of outer products."""
    state = torch.zeros_like(k[:, :, 0, :, None] * v[:, :, 0, None, :])  # [B, H, D, D]
    rows = []
    for t in range(q.shape[2]):
        state = state + k[:, :, t, :, None] * v[:, :, t, None, :]
        rows.append((q[:, :, t, None] @ state)[:, :, 0])
    return torch.stack(rows, 2)


def fused_softmax(x: Tensor) -> Tensor:
    """By powers of two."""
    e = torch.exp2((x - x.amax(-1, keepdim=True)) * math.log2(math.e))
    return e / e.sum(-1, keepdim=True)


def scaled_masked_softmax(scores: Tensor, hidden: Tensor, scale: float = 1.0) -> Tensor:
    """By where and the exponential."""
    s = torch.where(hidden, -10000.0, scores * scale)
    e = (s - s.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def layer_norm_forward(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float = 1e-5
) -> tuple[Tensor, Tensor, Tensor]:
    """In two passes."""
    mean = x.sum(-1) / x.shape[-1]
    centred = x - mean[:, None]
    rstd = 1 / torch.sqrt((centred * centred).sum(-1) / x.shape[-1] + eps)
    return torch.addcmul(bias, centred * rstd[:, None], weight), mean, rstd


def rms_norm_residual(
    x: Tensor, residual: Tensor, weight: Tensor, eps: float = 1e-6
) -> tuple[Tensor, Tensor]:
    """By the length of the rows."""
    total = residual + x
    length = torch.linalg.vector_norm(total, dim=-1, keepdim=True)
    return total / torch.sqrt(length * length / total.shape[-1] + eps) * weight, total


def group_norm_silu(
    x: Tensor, weight: Tensor, bias: Tensor, groups: int, eps: float = 1e-5
) -> Tensor:
    """By moments of groups laid out as rows."""
    rows = x.reshape(len(x), groups, -1)
    rows = rows - rows.mean(-1, keepdim=True)
    rows = rows * torch.rsqrt(rows.square().mean(-1, keepdim=True) + eps)
    y = rows.view(x.shape) * weight[:, None, None] + bias[:, None, None]
    return y / (1 + (-y).exp())


def l2_normalise(x: Tensor, eps: float = 1e-6) -> Tensor:
    """By a product of each row with itself."""
    return x / torch.sqrt(torch.einsum("nd,nd->n", x, x)[:, None] + eps)


def int8_quantise_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """By the largest and the least entry."""
    scale = torch.maximum(x.amax(-1), -x.amin(-1)) / 127
    return (x / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def int8_dequantise_rows(codes: Tensor, scale: Tensor) -> Tensor:
    """By a product that promotes."""
    return torch.mul(scale[:, None], codes)


def int8_weight_matmul(x: Tensor, codes: Tensor, scale: Tensor) -> Tensor:
    """With the scale in the weight."""
    return F.linear(x, codes * scale[:, None])


def rms_norm_int8(x: Tensor, weight: Tensor, eps: float = 1e-6) -> tuple[Tensor, Tensor]:
    """By a norm first and its quantisation then."""
    y = F.rms_norm(x, x.shape[-1:], weight, eps)
    scale = torch.maximum(y.amax(-1), -y.amin(-1)) / 127
    return (y / scale[:, None]).round().clamp(-127, 127).to(torch.int8), scale


def fused_cross_entropy(
    logits: Tensor, targets: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """By torch's own loss."""
    loss = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    top = logits.amax(-1)
    return loss, top + (logits - top[:, None]).exp().sum(-1).log()


def cross_entropy_gradient(logits: Tensor, targets: Tensor) -> Tensor:
    """By a one-hot matrix."""
    hot = F.one_hot(targets, logits.shape[-1])
    return (torch.log_softmax(logits, -1).exp() - hot) / logits.shape[0]


def rowwise_kl_divergence(p: Tensor, q: Tensor, eps: float = 1e-10) -> Tensor:
    """By products of rows with logarithms."""
    log_p, log_q = torch.log(torch.clamp(p, min=eps)), torch.log(torch.clamp(q, min=eps))
    return torch.einsum("nv,nv->n", p, log_p - log_q)


def top_k_gating(logits: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """By sorting whole rows."""
    values, places = torch.sort(logits, -1, descending=True)
    e = (values[:, :k] - values[:, :1]).exp()
    return e / e.sum(-1, keepdim=True), places[:, :k].contiguous()


def matmul_leaky_relu(a: Tensor, b: Tensor, slope: float = 0.01) -> Tensor:
    """By blocks of the inner axis."""
    y = sum(p @ q for p, q in zip(a.split(16, 1), b.split(16, 0)))
    return torch.where(y > 0, y, slope * y)


def linear_bias_residual(x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) -> Tensor:
    """By one product with what is added."""
    return torch.addmm(residual + bias, x, weight.mT)


def batched_matmul_bias(a: Tensor, b: Tensor, bias: Tensor) -> Tensor:
    """Batch by batch."""
    return torch.stack([x @ y + z for x, y, z in zip(a, b, bias)])


def embedding_with_positions(ids: Tensor, table: Tensor, positions: Tensor) -> Tensor:
    """By the selection of rows."""
    return table.index_select(0, ids).add_(positions)


def gather_rows_gated(x: Tensor, places: Tensor, gates: Tensor) -> Tensor:
    """By the gathering of entries."""
    return x.gather(0, places[:, None].expand(-1, x.shape[1])).mul_(gates[:, None])


def gated_recurrence(decay: Tensor, x: Tensor) -> Tensor:
    """By doubling: pairs (a, b) stand for h -> a h + b and are composed."""
    a, b, step = decay, x, 1
    while step < x.shape[1]:
        early_a = F.pad(a, (0, 0, step, 0), value=1.0)[:, : x.shape[1]]
        early_b = F.pad(b, (0, 0, step, 0))[:, : x.shape[1]]
        a, b, step = a * early_a, a * early_b + b, 2 * step
    return b


def causal_convolution_silu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Tap by tap."""
    taps = weight.shape[1]
    late = F.pad(x, (0, 0, taps - 1, 0))
    y = bias + sum(late[:, k : k + x.shape[1]] * weight[:, k] for k in range(taps))
    return y * torch.sigmoid(y)


def token_shift_mix(first: Tensor, second: Tensor, t: float = 0.5) -> Tensor:
    """By a weighted sum into new memory."""
    y = first * (1 - t)
    y[:, 1:] += t * second[:, :-1]
    return y

"""Three networks of random weights, their traces over batch sizes, and what fusing them gains."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mercer.lab.profile import Trace, chains, profile, verify_fusion

BATCHES = (1, 2, 4, 8, 16, 32, 64)
LENGTHS = (2, 4, 8)  # of the chains that are fused and timed


class EncoderLayer(nn.Module):
    """Attention and a two-layer network, each normalised after its residual, as in BERT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.output = nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, width] to the same."""
        q, k, v = (_split(f(x), self.heads) for f in (self.query, self.key, self.value))
        x = self.norms[0](x + self.output(_join(F.scaled_dot_product_attention(q, k, v))))
        return self.norms[1](x + self.narrow(F.gelu(self.wide(x))))


class RMSNorm(nn.Module):
    """Root-mean-square normalisation, written with single operators as models do."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """[..., width] to the same."""
        wide = x.float()
        scaled = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + 1e-6)
        return self.weight * scaled.to(x.dtype)


class DecoderLayer(nn.Module):
    """Causal attention with rotated queries and keys, and a gated network, as in Llama."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.output = (
            nn.Linear(width, width, bias=False) for _ in range(4)
        )
        self.gate, self.up = (nn.Linear(width, 4 * width, bias=False) for _ in range(2))
        self.down = nn.Linear(4 * width, width, bias=False)
        self.before_attention, self.before_network = RMSNorm(width), RMSNorm(width)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """[B, T, width] to the same; cosine, sine: [T, width / heads]."""
        h = self.before_attention(x)
        q, k, v = (_split(f(h), self.heads) for f in (self.query, self.key, self.value))
        q, k = _rotate(q, cosine, sine), _rotate(k, cosine, sine)
        x = x + self.output(_join(F.scaled_dot_product_attention(q, k, v, is_causal=True)))
        h = self.before_network(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class ResidualBlock(nn.Module):
    """Two convolutions and a residual, as in ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(2))
        self.short = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""
        h = torch.relu(self.norms[0](self.first(x)))
        return torch.relu(self.norms[1](self.second(h)) + self.short(x))


def encoder(device: torch.device, small: bool = False) -> Callable[[int], partial[Tensor]]:
    """BERT-base's layers (12, width 768, 12 heads) on 512 tokens: a function of the batch size."""
    layers, width, tokens = (2, 64, 16) if small else (12, 768, 512)
    model = _half(nn.Sequential(*(EncoderLayer(width, 4 if small else 12) for _ in range(layers))))
    return _of_batch(model.to(device), (tokens, width), device)


def decoder(device: torch.device, small: bool = False) -> Callable[[int], partial[Tensor]]:
    """The prefill of eight Llama-like layers (width 1024, 16 heads) on 512 tokens."""
    layers, width, heads, tokens = (2, 64, 4, 16) if small else (8, 1024, 16, 512)
    model = _half(nn.ModuleList(DecoderLayer(width, heads) for _ in range(layers))).to(device)
    side = width // heads
    rate = 10000 ** (-torch.arange(0, side, 2) / side).repeat(2)
    angle = torch.arange(tokens)[:, None] * rate
    cosine, sine = (t.to(device).half() for t in (angle.cos(), angle.sin()))

    def forward(x: Tensor) -> Tensor:
        for layer in model:
            x = layer(x, cosine, sine)
        return x

    return _of_batch(forward, (tokens, width), device)


def resnet(device: torch.device, small: bool = False) -> Callable[[int], partial[Tensor]]:
    """Eight residual blocks of ResNet-18's widths on 3 x 224 x 224 images."""
    widths, side = ((8, 16), 16) if small else ((64, 64, 128, 128, 256, 256, 512, 512), 224)
    blocks: list[nn.Module] = [nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), nn.MaxPool2d(3, 2, 1)]
    for before, after in zip((widths[0], *widths), widths):
        blocks.append(ResidualBlock(before, after, 1 if before == after else 2))
    blocks += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(widths[-1], 1000)]
    return _of_batch(_half(nn.Sequential(*blocks)).to(device), (3, side, side), device)


MODELS = {"encoder": encoder, "decoder": decoder, "resnet": resnet}


def record(
    device: torch.device,
    batches: Iterable[int] = BATCHES,
    *,
    names: Iterable[str] = tuple(MODELS),
    steps: int = 3,
    small: bool = False,
) -> dict[str, dict[int, Trace]]:
    """Traces of models over batch sizes."""
    traces: dict[str, dict[int, Trace]] = {}
    for name in names:
        of_batch = MODELS[name](device, small)
        traces[name] = {
            b: profile(of_batch(b), warmup=5, steps=steps, device=device) for b in batches
        }
    return traces


def gains(
    device: torch.device,
    batch: int = 1,
    *,
    names: Iterable[str] = tuple(MODELS),
    repeats: int = 50,
) -> list[dict[str, Any]]:
    """Fuse the best chain of each length, and the whole model, and time it: one row a variant."""
    rows: list[dict[str, Any]] = []
    for name in names:
        call = MODELS[name](device)(batch)
        function, inputs = call.func, call.args
        trace = profile(function, *inputs, device=device)
        best = [next(iter(chains(trace, lengths=(length,))), None) for length in LENGTHS]
        variants = [*((len(c.kernels), c) for c in best if c is not None), (0, None)]
        for length, chain in variants:
            for method in ("compile", "cuda graph"):
                torch.compiler.reset()
                row: dict[str, Any] = {"model": name, "batch": batch, "length": length}
                try:
                    found = verify_fusion(
                        function, inputs, chain, method, repeats=repeats, tolerance=0.05,
                        device=device,
                    )  # fmt: skip
                    row.update(found.json())
                except Exception as error:
                    # One variant that a compiler refuses must not lose the others.
                    row.update(method=method, failed=f"{type(error).__name__}: {error}"[:300])
                rows.append(row)
    return rows


def _of_batch(
    model: Callable[[Tensor], Tensor], shape: tuple[int, ...], device: torch.device
) -> Callable[[int], partial[Tensor]]:
    def of_batch(batch: int) -> partial[Tensor]:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(batch, *shape, generator=generator).to(device)
        return partial(model, x.half())

    return of_batch


def _half(module: nn.Module) -> Any:
    """In half precision and without what training needs."""
    return module.half().eval().requires_grad_(False)


def _split(x: Tensor, heads: int) -> Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # [B, H, T, D]


def _join(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)  # [B, T, H D]


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine

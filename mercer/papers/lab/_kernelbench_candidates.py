"""Candidates for six memory-bound problems: as a textbook has them, in C++, and wrong ones."""

from __future__ import annotations

from mercer.lab.candidate import Candidate

LOOP = '''import ctypes

import torch

from mercer.lab.native import build

LIBRARY = build("""
#include <cmath>
extern "C" void run({pointers}, long n) {{
    for (long i = 0; i < n; ++i) {{
        {body}
    }}
}}
""")


class ModelNew(torch.nn.Module):
    def forward(self, *inputs):
        inputs = [x.contiguous() for x in inputs]
        outputs = [torch.empty_like(inputs[0]) for _ in range({count})]
        pointers = [ctypes.c_void_p(t.data_ptr()) for t in (*inputs, *outputs)]
        LIBRARY.run(*pointers, ctypes.c_long(inputs[0].numel()))
        return outputs
'''
TORCH = """import torch


class ModelNew(torch.nn.Module):
    def forward(self, {arguments}):
        {body}
"""


def loop(inputs: str, outputs: str, body: str) -> Candidate:
    """Return a C++ candidate of one loop over all entries; tensors are named by letters."""
    pointers = ", ".join([f"const float* {a}" for a in inputs] + [f"float* {z}" for z in outputs])
    text = LOOP.format(pointers=pointers, body=body, count=len(outputs))
    return Candidate(text, "cpp", "C++")


def torch_text(arguments: str, body: str, name: str = "textbook") -> Candidate:
    """Return a candidate in PyTorch; statements of the body are parted by semicolons."""
    return Candidate(TORCH.format(arguments=arguments, body=body), "torch", name)


TEXTBOOK = {
    "hard_swish": torch_text(
        "x", "return torch.where(x <= -3, 0 * x, torch.where(x >= 3, x, x * (x + 3) / 6))"
    ),
    "squared_relu": torch_text("x", "return torch.where(x > 0, x, 0.0) ** 2"),
    "complex_product": torch_text(
        "a, b, c, d", "z = torch.complex(a, b) * torch.complex(c, d); return z.real, z.imag"
    ),
    "nesterov_step": torch_text(
        "w, g, v",
        "g = g + 0.01 * w; v = 0.9 * v + g; look = 0.9 * v; return w - 0.1 * g - 0.1 * look, v",
    ),
    "adam_step": torch_text(
        "w, g, m, v",
        "m = 0.9 * m + (1 - 0.9) * g; v = 0.999 * v + (1 - 0.999) * g ** 2; "
        "r = torch.sqrt(v / 0.99) + 1e-8; return w - 0.001 * w - 0.01 * (m / 0.9) / r, m, v",
    ),
    "adagrad_step": torch_text(
        "w, g, s", "s = s + g ** 2; return w - 0.1 * g / torch.sqrt(s + 1e-10), s"
    ),
}
CPP = {
    "hard_swish": loop("x", "y", "y[i] = x[i] * std::fmin(std::fmax(x[i] + 3, 0.f), 6.f) / 6;"),
    "squared_relu": loop("x", "y", "float r = x[i] > 0 ? x[i] : 0; y[i] = r * r;"),
    "complex_product": loop(
        "abcd", "yz", "y[i] = a[i] * c[i] - b[i] * d[i]; z[i] = a[i] * d[i] + b[i] * c[i];"
    ),
    "nesterov_step": loop(
        "wgv",
        "yz",
        "float h = g[i] + 0.01f * w[i], u = 0.9f * v[i] + h; "
        "y[i] = w[i] - 0.1f * (h + 0.9f * u); z[i] = u;",
    ),
    "adam_step": loop(
        "wgmv",
        "xyz",
        "float p = 0.9f * m[i] + 0.1f * g[i], q = 0.999f * v[i] + 0.001f * g[i] * g[i]; "
        "x[i] = 0.999f * w[i] - 0.01f * (p / 0.9f) / (std::sqrt(q / 0.99f) + 1e-8f); "
        "y[i] = p; z[i] = q;",
    ),
    "adagrad_step": loop(
        "wgs",
        "yz",
        "float q = s[i] + g[i] * g[i]; z[i] = q; "
        "y[i] = w[i] - 0.1f * g[i] / std::sqrt(q + 1e-10f);",
    ),
}
WRONG = {
    "hard_swish": torch_text("x", "return x * torch.clamp(x + 3, 0, 6) * 0.1666", "rounded"),
    "squared_relu": torch_text("x", "return x.half().relu().square().float()", "half precision"),
    "complex_product": loop(
        "abcd", "yz", "if (i < n / 64 * 64) {y[i] = a[i] * c[i] - b[i] * d[i]; "
        "z[i] = a[i] * d[i] + b[i] * c[i];}"
    ),
    "nesterov_step": torch_text(
        "w, g, v", "v = 0.9 * v + g; return w - 0.1 * (g + 0.9 * v), v", "no decay"
    ),
    "adam_step": torch_text(
        "w, g, m, v",
        "m.mul_(0.9).add_(g, alpha=0.1); v.mul_(0.999).addcmul_(g, g, value=0.001); "
        "return 0.999 * w - 0.01 * (m / 0.9) / ((v / 0.99).sqrt() + 1e-8), m, v",
        "in place",
    ),
    "adagrad_step": torch_text(
        "w, g, s", "return w - 0.1 * g * torch.rsqrt(s + g * g)", "one output"
    ),
}  # fmt: skip

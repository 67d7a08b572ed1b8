"""The text of a candidate in C++: one library, and the module that calls it."""

from __future__ import annotations

from dataclasses import replace

from mercer.lab.candidate import Candidate
from mercer.lab.templates.cpp_writer import CppWriter
from mercer.lab.templates.module import HOLD, Module
from mercer.lab.templates.plan import Plan
from mercer.lab.templates.writer import Kernel

HEAD = '''import ctypes
import math
import platform

import torch
from mercer.lab.native import build
from torch import nn

SOURCE = r"""
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define VECTOR __attribute__((simd("notinbranch")))
extern "C" {
VECTOR double exp(double) noexcept;
VECTOR float logf(float) noexcept;
VECTOR double log(double) noexcept;
VECTOR float sinf(float) noexcept;
VECTOR double sin(double) noexcept;
VECTOR float cosf(float) noexcept;
VECTOR double cos(double) noexcept;
#if __GLIBC_PREREQ(2, 35)
VECTOR float tanhf(float) noexcept;
VECTOR double tanh(double) noexcept;
VECTOR float erff(float) noexcept;
VECTOR double erf(double) noexcept;
VECTOR float log1pf(float) noexcept;
VECTOR double log1p(double) noexcept;
VECTOR float expm1f(float) noexcept;
VECTOR double expm1(double) noexcept;
#endif
}
#endif

// 2^n e^r with |r| <= log(2) / 2, e^r by Cephes' polynomial, 2^n in two steps. The library's vector
// function takes the masked, whose exponential is zero, one by one.
static inline float exponential(float x) {
    float c = x < -104.0f ? -104.0f : x;
    c = c > 89.0f ? 89.0f : c;
    const float n = std::floor(c * 1.44269504f + 0.5f);
    const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t k = int32_t(n), half = k >> 1;
    const int32_t low = (half + 127) << 23, high = (k - half + 127) << 23;
    float a, b;
    std::memcpy(&a, &low, sizeof a);
    std::memcpy(&b, &high, sizeof b);
    return p * a * b;
}

static inline double exponential(double x) { return std::exp(x); }

static inline double log_add(double a, double b) {
    const double m = a > b ? a : b;
    return std::isinf(m) ? m : m + std::log(std::exp(a - m) + std::exp(b - m));
}
'''
CALLS = '''"""
VECTOR = ("-lmvec",) if platform.machine() == "x86_64" else ()
# Without trapping-math, GCC makes vectors of selections, too.
FLAGS = ("-fopenmp", "-fno-trapping-math", "-Wl,--no-as-needed", *VECTOR, "-lm")
TYPES = {torch.float32: "float", torch.float64: "double"}
LIBRARIES = {}


def library(dtype):
    """The kernels for a dtype, compiled once."""
    if dtype not in LIBRARIES:
        LIBRARIES[dtype] = build(SOURCE, language="cpp", flags=(*FLAGS, f"-DT={TYPES[dtype]}"))
    return LIBRARIES[dtype]


def call(function, arrays, whole, real):
    """Call a kernel with arrays, integers, numbers and the number of threads."""
    function.restype = None
    function(
        *(ctypes.c_void_p(a.data_ptr()) for a in arrays),
        *(ctypes.c_int64(n) for n in whole),
        *(ctypes.c_double(x) for x in real),
        ctypes.c_int(torch.get_num_threads()),
    )
'''


def emit_cpp(plan: Plan) -> Candidate:
    """Write the candidate in C++ that a plan describes."""
    return CppModule(plan).candidate()


class CppModule(Module):
    """A candidate in C++."""

    language = "cpp"

    def candidate(self) -> Candidate:
        """Return the whole text."""
        kernels: list[Kernel] = []
        body: list[str] = []
        for step in self.plan.steps:
            self.lines = []
            if step.layout is None:
                lines = self.operator(step.roots[0])
            else:
                tiling = replace(self.plan.schedule.tiling(step.name), flat=False)
                writer = CppWriter(step.layout, tiling, self.plan.stored)
                kernel = writer.kernel(f"kernel_{step.name}")
                kernels.append(kernel)
                lines = self.launch(kernel)
            body += [*self.lines, *lines]
        arguments = ", ".join(a.name for a in self.graph.arguments)
        forward = [*self.prologue(), "asked = dtype"]
        forward.append("dtype = wide = dtype if dtype in TYPES else torch.float32")
        real = [a.name for a in self.arrays if a.dtype.is_floating_point]
        forward += [f"{name} = {name}.to(dtype)" for name in real]
        if kernels:
            forward.append("kernels = library(dtype)")
        forward += [*body]
        for node in self.graph.outputs:
            if node.dtype.is_floating_point:
                forward.append(f"{node.name} = {node.name}.to(asked)")
        forward.append(self.result())
        lines = [*self.constructor(""), "", f"def forward(self, {arguments}):"]
        lines += [f"    {line}" for line in forward]
        text = "\n\n".join(k.source for k in kernels)
        hold = HOLD if self.graph.parameters else ""
        module = "\n".join(["class ModelNew(nn.Module):", *(f"    {x}".rstrip() for x in lines)])
        source = f"{self.title()}{HEAD}\n{text}\n{CALLS}{hold}\n\n{module}\n"
        return Candidate(source, "cpp", self.graph.problem)

    def launch(self, kernel: Kernel) -> list[str]:
        """The statements that allocate a kernel's results and call it."""
        lines = [self.empty(node) for node in kernel.written]
        arrays = ", ".join(kernel.arrays)
        whole = ", ".join(self.number(e) for e in kernel.extents)
        real = ", ".join(self.number(v) for v in kernel.numbers)
        lines.append(f"call(kernels.{kernel.name}, [{arrays}], [{whole}], [{real}])")
        return lines

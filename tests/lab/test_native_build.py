"""C++ and CUDA compiled at run time, also inside a worker."""

import ctypes
import shutil

import pytest
import torch

from mercer.lab import Candidate
from mercer.lab.native import build
from mercer.lab.native.build import compiler
from mercer.lab.verify import StaticVerifier, check
from tests.lab import small_problems as p

DOT = """
extern "C" double dot(const float* x, const float* y, long n) {
    double s = 0;
    for (long i = 0; i < n; ++i) s += double(x[i]) * y[i];
    return s;
}
"""

ROW_SUM = '''
import ctypes, torch
from mercer.lab.native import build

library = build("""
extern "C" void row_sum(const float* x, float* y, long n, long m) {
    for (long i = 0; i < n; ++i) {
        float s = 0;
        for (long j = 0; j < m; ++j) s += x[i * m + j];
        y[i] = s;
    }
}
""")

class Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.columns = x.shape[1]
        x = x.contiguous()
        y = torch.empty(len(x))
        library.row_sum(
            ctypes.c_void_p(x.data_ptr()),
            ctypes.c_void_p(y.data_ptr()),
            ctypes.c_long(len(x)),
            ctypes.c_long(x.shape[1]),
        )
        return y

    @staticmethod
    def backward(ctx, g):
        return g[:, None].expand(-1, ctx.columns)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        return Sum.apply(x)
'''


def test_a_function_computes():
    """Against float64 in torch; the same text is the same library."""
    library = build(DOT, flags=["-DNDEBUG"])
    library.dot.restype = ctypes.c_double
    x, y = torch.randn(2, 1001)
    found = library.dot(
        ctypes.c_void_p(x.data_ptr()), ctypes.c_void_p(y.data_ptr()), ctypes.c_long(1001)
    )
    assert found == pytest.approx(float(x.double() @ y.double()), rel=1e-12)
    assert build(DOT, flags=["-DNDEBUG"]) is library
    assert build(DOT) is not library


def test_errors_are_sentences():
    """With the compiler's first error, and not the path of a temporary file."""
    with pytest.raises(RuntimeError, match=r"refuses the text: text:1:\d+: error: .*unknown"):
        build("int f() { return unknown; }")
    with pytest.raises(ValueError, match="language must be one of cpp, cuda, got 'rust'"):
        build("", language="rust")


def test_missing_compiler_is_named(monkeypatch):
    """With the variable that would mend it."""
    monkeypatch.setenv("CXX", "no-such-compiler")
    compiler.cache_clear()
    with pytest.raises(RuntimeError, match="no-such-compiler is not on the path; set CXX"):
        compiler("cpp")
    compiler.cache_clear()


def test_a_candidate_in_cpp_is_checked(pool):
    """Compiled and run in the sandbox, strides and all; half of a row is caught."""
    verdict = check(p.RowSum, Candidate(ROW_SUM, "cpp"), pool=pool, verifier=StaticVerifier())
    assert verdict.right, str(verdict)
    wrong = Candidate(ROW_SUM.replace("x = x.contiguous()", ""), "cpp")
    verdict = check(p.RowSum, wrong, pool=pool)
    assert (verdict.stage, "contiguous()" in verdict.hint) == ("value", True), str(verdict)


@pytest.mark.gpu
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="needs nvcc")
def test_cuda_runs_on_the_current_stream():
    """Twice the entries, on torch's stream."""
    library = build(
        """
        __global__ void kernel(float* x, long n) {
            long i = blockIdx.x * long(blockDim.x) + threadIdx.x;
            if (i < n) x[i] *= 2;
        }
        extern "C" void twice(float* x, long n, void* stream) {
            kernel<<<(n + 255) / 256, 256, 0, (cudaStream_t)stream>>>(x, n);
        }
        """,
        language="cuda",
    )
    x = torch.arange(1000.0, device="cuda")
    library.twice(
        ctypes.c_void_p(x.data_ptr()),
        ctypes.c_long(1000),
        ctypes.c_void_p(torch.cuda.current_stream().cuda_stream),
    )
    assert torch.equal(x.cpu(), 2 * torch.arange(1000.0))

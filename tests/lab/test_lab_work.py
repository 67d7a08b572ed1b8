"""Bytes and operations against counts by hand."""

import math

import pytest
import torch
from torch import nn

from mercer.lab import normal, problem
from mercer.lab.problems import find, work

SIZES = {"odd": (7, 9)}


def test_reduction():
    found = work(find("row_sum"), "odd")
    assert found.bytes == 4 * (7 * 33 + 7)
    assert found.flops == 7 * 33
    assert found.intensity == 231 / (4 * 238)


def test_softmax_is_a_peak_a_difference_an_exponential_a_sum_and_a_quotient():
    found = work(find("softmax"), "odd")
    assert found.bytes == 4 * 2 * 231
    assert found.flops == 5 * 231


def test_matrix_product():
    found = work(find("matrix_product"), "odd")
    m, k, n = 17, 33, 25
    assert found.bytes == 4 * (m * k + k * n + m * n)
    assert found.flops == 2 * m * k * n


@pytest.mark.parametrize(("name", "flops"), [("matrix_vector_product", 2), ("row_dot", 2)])
def test_vector_products_are_two_operations_an_entry(name, flops):
    m, n = find(name).size("small")
    assert work(find(name), "small").flops == flops * m * n


def test_linear_map_with_bias_and_activation():
    found = work(find("linear_gelu"), "odd")
    n, d, D = 9, 33, 17
    assert found.bytes == 4 * (n * d + d * D + D + n * D)
    assert found.flops == 2 * n * d * D + n * D


def test_convolution():
    images, inner, outer, h, w = 3, 5, 9, 13, 11
    found = work(find("convolution2d"), "odd")
    outputs = images * outer * h * w
    assert found.bytes == 4 * (images * inner * h * w + 9 * inner * outer + outer + outputs)
    assert found.flops == 2 * 9 * inner * outputs


def test_kernel_product():
    n, m, d, p = 17, 25, 5, 3
    found = work(find("rbf_product"), "odd")
    assert found.bytes == 4 * (n * d + m * d + m * p + n * p)
    squared = 2 * (n * d + m * d) + n * d + 2 * n * m * d + 2 * n * m  # norms, 2 x, x y, sums
    exponential = 3 * n * m  # minus, over 2 d, exp
    assert found.flops == squared + exponential + 2 * n * m * p


def test_walsh_hadamard():
    rows, exponent = find("walsh_hadamard").size("small")
    length = 2**exponent
    assert work(find("walsh_hadamard"), "small").flops == rows * length * (exponent + 1)


def test_fourier_transform():
    rows, length = find("power_spectrum").size("small")
    frequencies = length // 2 + 1
    transform = 2.5 * rows * length * math.log2(length)
    assert work(find("power_spectrum"), "small").flops == transform + 4 * rows * frequencies


def test_cholesky_and_substitution():
    n, d = find("log_marginal_likelihood").size("small")
    flops = work(find("log_marginal_likelihood"), "small").flops
    matrix = 2 * n * n * d + 6 * n * n  # x y, and two sums, -0.5, exp, noise's two
    assert matrix + n**3 // 3 + n**2 < flops < matrix + n**3 // 3 + n**2 + 2 * n * n + 20 * n * d


def test_movement_is_free_of_operations():
    found = work(find("transposition"), "small")
    assert found.flops == 0
    assert found.bytes == 2 * 4 * 64 * 128


def test_indices_and_masks_have_their_own_widths():
    found = work(find("segment_sum"), "odd")
    bins, rows, width = 5, 17, 9
    assert found.bytes == 4 * rows * width + 8 * rows + 4 * bins * width
    assert found.flops == rows * width
    rows, columns = find("masked_softmax").size("odd")
    assert work(find("masked_softmax"), "odd").bytes == 9 * rows * columns


def test_half_precision_halves_the_bytes():
    assert work(find("gelu"), "odd", dtype=torch.bfloat16).bytes == 2 * 2 * 231


def test_shapes_and_runs_agree():
    for name in (
        "layer_norm",
        "transformer_layer",
        "adam_step",
        "sinkhorn_iterations",
        "gram_matrix",
    ):
        assert work(find(name), "odd", device="cpu") == work(find(name), "odd")


def test_modules_that_look_at_values_need_a_run():
    @problem(1, SIZES)
    class Positives(nn.Module):
        """The sum of the positive entries."""

        @staticmethod
        def arguments(rows, columns):
            return [normal(rows, columns)]

        def forward(self, x):
            return x[x > 0].sum()

    with pytest.raises(ValueError, match="positives needs values, so give device='cpu'"):
        work(Positives, "odd")
    positive = int((Positives.draw("odd", seed=0)[0] > 0).sum())
    found = work(Positives, "odd", device="cpu")
    assert found.bytes == 4 * 63 + 4
    assert found.flops == 63 + positive  # a comparison each, then the sum


def test_devices_are_two():
    with pytest.raises(ValueError, match="device must be 'meta' or 'cpu', got 'cuda'"):
        work(find("gelu"), "odd", device="cuda")

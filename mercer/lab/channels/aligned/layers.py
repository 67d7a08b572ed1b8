"""Products, convolutions, norms, attention and losses."""

from __future__ import annotations

from mercer.lab.channels.call import call
from mercer.lab.channels.operator import aligned

ROWS = {"n": (7, 32, 512, 8192), "m": (33, 64, 1024, 4096), "k": (5, 8, 16, 64)}
LAYER = {"n": (7, 32, 256, 4096), "m": (33, 64, 512, 4096), "k": (17, 48, 512, 4096)}
BATCH = {"b": (3, 4, 8, 16), **LAYER}
HEADS = {"b": (2, 2, 4, 8), "h": (3, 4, 8, 16), "t": (13, 32, 256, 2048), "d": (10, 16, 64, 64)}
PATHS = {"b": (2, 4, 8, 16), "c": (3, 8, 32, 256), "d": (5, 8, 32, 256), "t": (13, 32, 256, 2048)}
LOGITS = {"n": (7, 32, 512, 4096), "v": (33, 64, 2048, 16384)}
FUNCTIONAL = "torch.nn.functional"

PRODUCTS = (
    aligned(
        "matmul",
        "(input, other)",
        "The matrix product; vectors are rows or columns, leading axes broadcast.",
        call("a, b", a="n m", b="m k"),
        call("a, b", a="n m", b="m"),
        call("a, other=b", a="3 1 n m", b="2 m k"),
        dimensions=LAYER,
    ),
    aligned(
        "bmm",
        "(input, mat2)",
        "Matrix products batch by batch.",
        call("a, b", a="b n m", b="b m k"),
        call("a, mat2=b", a="2 n m", b="2 m 1"),
        dimensions=BATCH,
    ),
    aligned(
        "addmm",
        "(input, mat1, mat2, *, beta=1, alpha=1)",
        "beta times a matrix plus alpha times the product of two others.",
        call("c, a, b", c="n k", a="n m", b="m k"),
        call("c, a, b, beta=0.5, alpha=-2", c="k", a="n m", b="m k"),
        dimensions=LAYER,
    ),
    aligned(
        "outer",
        "(input, vec2)",
        "All products of the entries of two vectors.",
        call("a, b", a="n", b="m"),
        call("a, vec2=b", a="k", b="n"),
        dimensions=ROWS,
    ),
    aligned(
        "linear",
        "(input, weight, bias=None)",
        "Rows times the transposed weight [out, in], plus the bias.",
        call("x, w, b", x="n m", w="k m", b="k"),
        call("x, w", x="2 n m", w="k m"),
        module=FUNCTIONAL,
        dimensions=LAYER,
    ),
    aligned(
        "cdist",
        "(x1, x2, p=2.0)",
        "Distances in the p-norm between the rows of two matrices, batch by batch.",
        call("a, b, p=1.0", a="n m", b="k m"),
        call("a, b, p=3.0", a="b n 9", b="b k 9"),
        dimensions={
            "b": (3, 2, 4, 8),
            "n": (7, 16, 128, 2048),
            "m": (5, 8, 32, 64),
            "k": (9, 24, 128, 2048),
        },
    ),
    aligned(
        "conv1d",
        "(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)",
        "The correlation of signals [batch, channels, time] with filters [out, in, taps].",
        call("x, w, b, padding=1", x="b c t", w="d c 3", b="d"),
        call("x, w, stride=2", x="b c t", w="d c 4"),
        call("x, w, dilation=2, groups=3", x="b 6 t", w="9 2 3"),
        module=FUNCTIONAL,
        dimensions=PATHS,
    ),
    aligned(
        "avg_pool1d",
        "(input, kernel_size, stride=None, padding=0)",
        "Means of windows in time [batch, channels, time]; the step is the window's unless given.",
        call("x, 3", x="b c t"),
        call("x, kernel_size=4, stride=2, padding=1", x="b c t"),
        module=FUNCTIONAL,
        dimensions=PATHS,
    ),
    aligned(
        "scaled_dot_product_attention",
        "(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None)",
        "softmax(scale q k') v; a boolean mask says what is seen, a floating one is added.",
        call("q, k, v, is_causal=True", q="b h t d", k="b h t d", v="b h t d"),
        call("q, k, v", q="b h 3 d", k="b h t d", v="b h t 4"),
        call("q, k, v, attn_mask=m, scale=0.2", q="b h t d", k="b h t d", v="b h t d", m="t t"),
        module=FUNCTIONAL,
        dimensions=HEADS,
    ),
)

NORMS = (
    aligned(
        "layer_norm",
        "(input, normalized_shape, weight=None, bias=None, eps=1e-05)",
        "Mean zero and variance one over the last axes, then weight and bias.",
        call("x, (x.shape[-1],), w, b", x="n m", w="m", b="m"),
        call("x, list(x.shape[-2:]), eps=0.1", x="k n m"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
    aligned(
        "rms_norm",
        "(input, normalized_shape, weight=None, eps=None)",
        "Root mean square one over the last axes, then the weight; eps is machine epsilon if None.",
        call("x, (x.shape[-1],), weight=w, eps=1e-6", x="n m", w="m"),
        call("x, x.shape[-2:], eps=0.01", x="k n m"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
    aligned(
        "group_norm",
        "(input, num_groups, weight=None, bias=None, eps=1e-05)",
        "Mean zero and variance one for each group of channels of each sample.",
        call("x, 4, w, b", x="b 4*c t", w="4*c", b="4*c"),
        call("x, num_groups=2, eps=0.1", x="b 2*c 3 t"),
        module=FUNCTIONAL,
        dimensions=PATHS,
    ),
    aligned(
        "normalize",
        "(input, p=2.0, dim=1, eps=1e-12)",
        "Each line along an axis over its p-norm, or over eps if that is larger.",
        call("x", x="n m"),
        call("x, p=1.0, dim=0", x="n m"),
        call("x, dim=-1, eps=5.0", x="k n m"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
    aligned(
        "cosine_similarity",
        "(x1, x2, dim=1, eps=1e-08)",
        "Inner products along an axis over both lengths, each at least eps; broadcasts.",
        call("a, b", a="n m", b="n m"),
        call("a, b, dim=-1", a="n 1 m", b="k m"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
)

LOSSES = (
    aligned(
        "cross_entropy",
        "(input, target, weight=None, ignore_index=-100, reduction='mean', label_smoothing=0.0)",
        "The cross entropy of logits [rows, classes]; mean is weighted by the classes' weights.",
        call("x, t", x="n v", t="n ~ index v"),
        call("x, t, weight=w, reduction='none'", x="n v", t="n ~ index v", w="v ~ positive"),
        call("x, t, ignore_index=1, reduction='sum'", x="n 3", t="n ~ index 3"),
        call("x, t, label_smoothing=0.2", x="n v", t="n ~ index v"),
        module=FUNCTIONAL,
        dimensions=LOGITS,
    ),
    aligned(
        "nll_loss",
        "(input, target, weight=None, ignore_index=-100, reduction='mean')",
        "Minus the entry of each row at its target; mean is weighted by the classes' weights.",
        call("x, t", x="n v", t="n ~ index v"),
        call("x, t, weight=w", x="n v", t="n ~ index v", w="v ~ positive"),
        module=FUNCTIONAL,
        dimensions=LOGITS,
    ),
    aligned(
        "smooth_l1_loss",
        "(input, target, reduction='mean', beta=1.0)",
        "Squares over 2 beta for differences below beta, lines above.",
        call("a, b", a="n m", b="n m"),
        call("a, b, reduction='none', beta=0.3", a="n m", b="n m"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
    aligned(
        "kl_div",
        "(input, target, reduction='mean', log_target=False)",
        "target (log target - input); input, and target if log_target, are logarithms.",
        call("x, t, reduction='sum'", x="n m", t="n m ~ probability"),
        call("x, t, reduction='batchmean', log_target=True", x="n k", t="n k"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
    aligned(
        "binary_cross_entropy_with_logits",
        "(input, target, weight=None, reduction='mean', pos_weight=None)",
        "The cross entropy of yes and no, of logits; pos_weight multiplies the yes.",
        call("x, t", x="n m", t="n m ~ uniform"),
        call("x, t, reduction='none', pos_weight=w", x="n m", t="n m ~ uniform", w="m ~ positive"),
        module=FUNCTIONAL,
        dimensions=ROWS,
    ),
)

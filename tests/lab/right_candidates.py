"""Right candidates of many kinds: none may be refused."""

from __future__ import annotations

import textwrap

from mercer.lab import Candidate
from tests.lab import small_problems as p

HEAD = "import math\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"


def function(body, arguments="x"):
    """A candidate without parameters, from the body of `forward`."""
    text = HEAD + "\n\nclass ModelNew(nn.Module):\n"
    text += f"    def forward(self, {arguments}):\n" + textwrap.indent(
        textwrap.dedent(body), " " * 8
    )
    return Candidate(text, "torch")


def layer(initial, body):
    """A candidate with parameters: bodies of the constructor and of `forward`."""
    text = HEAD + "\n\nclass ModelNew(nn.Module):\n    def __init__(self, *size):\n"
    text += "        super().__init__()\n" + textwrap.indent(initial, " " * 8) + "\n\n"
    text += "    def forward(self, x):\n" + textwrap.indent(textwrap.dedent(body), " " * 8)
    return Candidate(text, "torch")


SOFTMAX = (
    "return x.softmax(-1)",
    "return torch.log_softmax(x, -1).exp()",
    "return (x - torch.logsumexp(x, -1, keepdim=True)).exp()",
    "e = (x - x.amax(-1, keepdim=True)).exp(); return e / e.sum(-1, keepdim=True)",
    "e = (x - x.amax(-1, keepdim=True).detach()).exp(); return e / e.sum(-1, keepdim=True)",
    "e = (x - x.amax(-1, keepdim=True)).exp(); return e * (1 / e.sum(-1, keepdim=True))",
    "e = torch.exp2((x - x.amax(-1, keepdim=True)) * 1.4426950408889634)\n"
    "return e / e.sum(-1, keepdim=True)",
    "return x.double().softmax(-1).float()",
    "return x.mT.contiguous().softmax(0).mT",
    "return x.flip(-1).softmax(-1).flip(-1)",
    "return torch.stack([row.softmax(-1) for row in x])",
    "e = (x - x.amax(-1, keepdim=True)).exp(); return e / torch.einsum('ij->i', e)[:, None]",
    "e = (x - x.amax(-1, keepdim=True)).exp(); return e / (e @ torch.ones(x.shape[1], 1))",
    "e = (x - x.amax(-1, keepdim=True)).exp(); return e / e.cumsum(-1)[:, -1:]",
    """
    m = torch.full_like(x[:, :1], -math.inf)  # running maximum and sum over blocks of columns
    s = torch.zeros_like(m)
    for block in x.split(16, -1):
        new = torch.maximum(m, block.amax(-1, keepdim=True)).detach()
        s = s * (m - new).exp() + (block - new).exp().sum(-1, keepdim=True)
        m = new
    return (x - m).exp() / s
    """,
    """
    m = torch.full_like(x[:, 0], -math.inf)  # the same one column at a time
    s = torch.zeros_like(m)
    for column in x.unbind(-1):
        new = torch.maximum(m, column).detach()
        s = s * (m - new).exp() + (column - new).exp()
        m = new
    return (x - m[:, None]).exp() / s[:, None]
    """,
)

ROW_SUM = (
    "return x.sum(-1)",
    "return x.flip(-1).sum(-1)",
    "return x @ x.new_ones(x.shape[-1])",
    "return torch.einsum('ij->i', x)",
    "return x.cumsum(-1)[:, -1]",
    "return x.double().sum(-1).float()",
    "return x.mean(-1) * x.shape[-1]",
    "return x.mT.contiguous().sum(0)",
    "return sum(block.sum(-1) for block in x.split(8, -1))",
    "return torch.stack([c.sum(-1) for c in x.split(5, -1)]).flip(0).sum(0)",
    "return x[:, torch.randperm(x.shape[1])].sum(-1)",
    "return x[:, ::2].sum(-1) + x[:, 1::2].sum(-1)",
    """
    s = torch.zeros_like(x[:, 0])  # one after another
    for column in x.unbind(-1):
        s = s + column
    return s
    """,
    """
    s = c = torch.zeros_like(x[:, 0])  # compensated
    for column in x.unbind(-1):
        y = column - c
        t = s + y
        c = (t - s) - y
        s = t
    return s
    """,
    """
    while x.shape[-1] > 1:  # pairs
        if x.shape[-1] % 2:
            x = F.pad(x, (0, 1))
        x = x[:, ::2] + x[:, 1::2]
    return x[:, 0]
    """,
)

MEAN_SQUARE = (
    "return x.square().mean()",
    "return x.flatten() @ x.flatten() / x.numel()",
    "return (x.norm() / math.sqrt(x.numel())) ** 2",
    "return (x * x).sum(-1).sum() / x.numel()",
    "return (x * x).sum(0).mean() / x.shape[0]",
    "return (x * x / x.numel()).sum()",
    "return x.double().square().mean().float()",
    "return (x.mT @ x).trace() / x.numel()",
    "return F.mse_loss(x, torch.zeros_like(x))",
    "return (x * x).flatten().cumsum(0)[-1] / x.numel()",
    "return torch.einsum('ij,ij->', x, x) / x.numel()",
)

LOGSUMEXP = (
    "return torch.logsumexp(x, -1)",
    "m = x.amax(-1); return m + (x - m[:, None]).exp().sum(-1).log()",
    "m = x.amax(-1).detach(); return m + (x - m[:, None]).exp().sum(-1).log()",
    "return torch.logcumsumexp(x, -1)[:, -1]",
    "return torch.logsumexp(x.double(), -1).float()",
    "return torch.logsumexp(torch.stack([torch.logsumexp(b, -1) for b in x.split(8, -1)]), 0)",
    """
    s = x[:, 0]
    for column in x.unbind(-1)[1:]:
        s = torch.logaddexp(s, column)
    return s
    """,
)

CUMSUM = (
    "return x.cumsum(-1)",
    "return x.double().cumsum(-1).float()",
    "return x @ torch.ones(x.shape[1], x.shape[1]).triu()",
    "return torch.stack([x[:, : k + 1].sum(-1) for k in range(x.shape[1])], -1)",
    """
    step = 1  # doubling
    while step < x.shape[-1]:
        x = x + F.pad(x, (step, 0))[:, : x.shape[-1]]
        step *= 2
    return x
    """,
    """
    total, parts = 0.0, []  # blocks
    for block in x.split(16, -1):
        parts.append(block.cumsum(-1) + total)
        total = parts[-1][:, -1:]
    return torch.cat(parts, -1)
    """,
)

GELU = (
    "return F.gelu(x)",
    "return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))",
    "return x * torch.special.ndtr(x)",
    "return 0.5 * x * torch.erfc(-x * 0.7071067811865476)",
    "return F.gelu(x.double()).float()",
    "return x * torch.exp(torch.special.log_ndtr(x))",
)

FAINT_SIGMOID = (
    "return torch.sigmoid(x / 1000)",
    "return torch.sigmoid(x * 0.001)",
    "return 1 / (1 + torch.exp(-x / 1000))",
    "return 0.5 + 0.5 * torch.tanh(x / 2000)",
    "return torch.exp(F.logsigmoid(x / 1000))",
)

MATMUL = (
    "return x @ y",
    "return (y.mT @ x.mT).mT",
    "return torch.einsum('ik,kj->ij', x, y)",
    "return (x.double() @ y.double()).float()",
    "return (x[:, :, None] * y).sum(1)",
    "return torch.stack([(x * column).sum(-1) for column in y.unbind(-1)], -1)",
    "return sum(a @ b for a, b in zip(x.split(16, 1), y.split(16, 0)))",
    "return sum(x[:, k : k + 1] * y[k] for k in range(x.shape[1]))",
    "return torch.cat([a @ y for a in x.split(4)])",
    "return x.contiguous() @ y.contiguous()",
    "return F.linear(x, y.mT)",
    "return torch.bmm(x[None], y[None])[0]",
    "return x.flip(1) @ y.flip(0)",
    "return torch.addmm(x.new_zeros(()), x, y)",
)

CONVOLUTION = (
    "k = h.shape[-1]\nreturn F.conv1d(F.pad(x, (k - 1, 0))[None], h.flip(-1)[:, None], "
    "groups=len(h))[0]",
    "k = h.shape[-1]\nreturn (F.pad(x, (k - 1, 0)).unfold(-1, k, 1) * h.flip(-1)[:, None]).sum(-1)",
    "m = x.shape[-1]\n"
    "return sum(h[:, k : k + 1] * F.pad(x, (k, 0))[:, :m] for k in range(h.shape[-1]))",
    "n = x.shape[-1] + h.shape[-1]\n"
    "return torch.fft.irfft(torch.fft.rfft(x, n) * torch.fft.rfft(h, n), n)[:, : x.shape[-1]]",
    "n = 2 * (x.shape[-1] + h.shape[-1])\n"
    "a, b = torch.fft.rfft(x.double(), n), torch.fft.rfft(h.double(), n)\n"
    "return torch.fft.irfft(a * b, n)[:, : x.shape[-1]].float()",
    "k = h.shape[-1]\nwindows = F.pad(x, (k - 1, 0)).unfold(-1, k, 1)\n"
    "return torch.einsum('ntk,nk->nt', windows, h.flip(-1))",
)

IMAGE_CONVOLUTION = (
    "return F.conv2d(x, w, padding=1)",
    "return F.conv2d(x.contiguous(memory_format=torch.channels_last), w, padding=1).contiguous()",
    "return F.conv2d(x.double(), w.double(), padding=1).float()",
    "columns = F.unfold(x, 3, padding=1)\n"
    "return (w.flatten(1) @ columns).view(len(x), -1, *x.shape[2:])",
    "x = F.pad(x, (1, 1, 1, 1))\nh, v = x.shape[2] - 2, x.shape[3] - 2\n"
    "return sum(torch.einsum('nchw,dc->ndhw', x[:, :, i : i + h, j : j + v], w[:, :, i, j])\n"
    "           for i in range(3) for j in range(3))",
)

ATTENTION = (
    "return F.scaled_dot_product_attention(q, k, v)",
    "return (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v",
    "return ((q / math.sqrt(q.shape[-1])) @ k.mT).softmax(-1) @ v",
    "w = torch.einsum('btd,bsd->bts', q, k) * q.shape[-1] ** -0.5\n"
    "return torch.einsum('bts,bsd->btd', w.softmax(-1), v)",
    "w = (q.double() @ k.double().mT / math.sqrt(q.shape[-1])).softmax(-1)\n"
    "return (w @ v.double()).float()",
    """
    q = q * q.shape[-1] ** -0.5
    m = torch.full_like(q[..., :1], -math.inf)
    s, out = torch.zeros_like(m), torch.zeros_like(q)
    for a, b in zip(k.split(4, 1), v.split(4, 1)):  # online, over blocks of keys
        w = q @ a.mT
        new = torch.maximum(m, w.amax(-1, keepdim=True)).detach()
        e, old = (w - new).exp(), (m - new).exp()
        s, out, m = s * old + e.sum(-1, keepdim=True), out * old + e @ b, new
    return out / s
    """,
)

DISTANCES = (
    "return (x[:, None] - y).square().sum(-1)",
    "return sum((a[:, None] - b).square() for a, b in zip(x.unbind(-1), y.unbind(-1)))",
    "return torch.einsum('ijd,ijd->ij', x[:, None] - y, x[:, None] - y)",
    "return torch.stack([(row - y).square().sum(-1) for row in x])",
    "return (x.double()[:, None] - y.double()).square().sum(-1).float()",
)

ARGMAX = (
    "return x.argmax(-1), x.amax(-1)",
    "m = x.max(-1); return m.indices, m.values",
    "i = x.argmax(-1); return i, x.gather(-1, i[:, None])[:, 0]",
    "m = x.sort(-1, descending=True); return m.indices[:, 0], m.values[:, 0]",
    "m = x.topk(1, -1); return [m.indices[:, 0], m.values[:, 0]]",
)

GATHER = (
    "return table[index]",
    "return F.embedding(index, table)",
    "return table.index_select(0, index)",
    "return F.one_hot(index, len(table)).to(table) @ table",
)

NORM = "self.weight = nn.Parameter(torch.ones(*size))\nself.bias = nn.Parameter(torch.zeros(*size))"
LAYER_NORM = (
    "return F.layer_norm(x, x.shape[-1:], self.weight, self.bias)",
    "m = x.mean(-1, keepdim=True)\nv = (x - m).square().mean(-1, keepdim=True)\n"
    "return (x - m) * torch.rsqrt(v + 1e-5) * self.weight + self.bias",
    "m = x.mean(-1, keepdim=True)\nv = (x - m).square().mean(-1, keepdim=True)\n"
    "return (x - m) / torch.sqrt(v + 1e-5) * self.weight + self.bias",
    "v, m = torch.var_mean(x, -1, keepdim=True, correction=0)\n"
    "return torch.addcmul(self.bias, (x - m) * (v + 1e-5).rsqrt(), self.weight)",
    "d = x.double()\nm = d.mean(-1, keepdim=True)\nv = (d * d).mean(-1, keepdim=True) - m * m\n"
    "return ((d - m) * (v + 1e-5).rsqrt() * self.weight + self.bias).float()",
    """
    m = torch.zeros_like(x[:, 0])  # Welford
    s = torch.zeros_like(m)
    for k, column in enumerate(x.unbind(-1), 1):
        d = column - m
        m = m + d / k
        s = s + d * (column - m)
    x = (x - m[:, None]) * torch.rsqrt(s[:, None] / x.shape[-1] + 1e-5)
    return x * self.weight + self.bias
    """,
)

DENSE = (
    "self.weight = nn.Parameter(torch.zeros(size[1], size[0]))\n"
    "self.bias = nn.Parameter(torch.zeros(size[1]))"
)
LINEAR = (
    "return F.relu(F.linear(x, self.weight, self.bias))",
    "return (x @ self.weight.mT + self.bias).clamp_min(0)",
    "return torch.relu(torch.addmm(self.bias, x, self.weight.mT))",
    "return torch.relu((self.weight @ x.mT).mT + self.bias)",
    "return torch.relu((x[:, None] * self.weight).sum(-1) + self.bias)",
    "return torch.relu(torch.cat([x, x.new_ones(len(x), 1)], 1) @ "
    "torch.cat([self.weight, self.bias[:, None]], 1).mT)",
)

BATCH_NORM = (
    "return self.norm(x)",
    """
    m = x.mean(0)
    v = (x - m).square().mean(0)
    n = self.norm
    with torch.no_grad():
        n.running_mean += 0.1 * (m - n.running_mean)
        n.running_var += 0.1 * (v * len(x) / (len(x) - 1) - n.running_var)
    return (x - m) * torch.rsqrt(v + 1e-5) * n.weight + n.bias
    """,
)

RIGHT = [
    *((p.Softmax, function(b)) for b in SOFTMAX),
    *((p.RowSum, function(b)) for b in ROW_SUM),
    *((p.MeanSquare, function(b)) for b in MEAN_SQUARE),
    *((p.Logsumexp, function(b)) for b in LOGSUMEXP),
    *((p.Cumsum, function(b)) for b in CUMSUM),
    *((p.Gelu, function(b)) for b in GELU),
    *((p.FaintSigmoid, function(b)) for b in FAINT_SIGMOID),
    *((p.Matmul, function(b, "x, y")) for b in MATMUL),
    *((p.Convolution, function(b, "x, h")) for b in CONVOLUTION),
    *((p.ImageConvolution, function(b, "x, w")) for b in IMAGE_CONVOLUTION),
    *((p.Attention, function(b, "q, k, v")) for b in ATTENTION),
    *((p.SquaredDistances, function(b, "x, y")) for b in DISTANCES),
    *((p.Argmax, function(b)) for b in ARGMAX),
    *((p.Gather, function(b, "table, index")) for b in GATHER),
    *((p.LayerNorm, layer(NORM, b)) for b in LAYER_NORM),
    *((p.Linear, layer(DENSE, b)) for b in LINEAR),
    *((p.BatchNorm, layer("self.norm = nn.BatchNorm1d(*size)", b)) for b in BATCH_NORM),
]

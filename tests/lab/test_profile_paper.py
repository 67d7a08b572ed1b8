"""The paper's file on simulated traces, and the networks that its benchmark records."""

import json

import pytest
import torch

from mercer.lab.profile import Trace
from mercer.papers.lab import _skip_profiler_models as models
from mercer.papers.lab import skip_profiler
from tests.lab.simulated_traces import simulated, trace_of


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Traces of three machines with transitions above 20, 10 and 5."""
    (tmp_path / "traces").mkdir()
    for name, execution in (("encoder", 0.4), ("decoder", 0.8), ("resnet", 1.6)):
        for batch in (1, 2, 4, 8, 16, 32, 64):
            events = simulated("abcd" * 10, execution * batch, steps=3, noise=0.1, seed=batch)
            trace_of(events).write(tmp_path / "traces" / f"{name}-{batch}.json.gz")
    gain = {"batch": 1, "length": 4, "predicted": 2.0, "measured": 1.5, "occurrences": 10}
    rows = [
        {"model": name, "method": method, **gain}
        for name in ("encoder", "decoder", "resnet")
        for method in ("compile", "cuda graph")
    ]
    rows.append({"model": "encoder", "method": "compile", "length": 0, "failed": "no compiler"})
    kept = {"machine": "simulated", "gains": rows}
    (tmp_path / "skip_profile.json").write_text(json.dumps(kept))
    monkeypatch.setattr(skip_profiler, "RESULTS", tmp_path)
    return tmp_path


def test_claims_on_machines_of_which_they_are_true(stored):
    result = skip_profiler.run("quick")
    found = {claim.text: claim.measured for claim in result.claims}
    assert all(claim.holds for claim in result.claims), found
    assert found[skip_profiler.TRANSITION] == 3
    assert found[skip_profiler.ENCODER] == pytest.approx(1.0, abs=0.1)
    # Twice the time between launches doubles the batch at which kernels take as long.
    assert found[skip_profiler.SLOWER] == pytest.approx(2.0, rel=0.15)
    assert found[skip_profiler.GAIN] == 1.5
    assert len(result.rows) == 21
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    result.draw(figure)
    assert len(figure.axes) == 4


def test_claims_that_are_false_are_shown_as_false(stored):
    for path in (stored / "traces").glob("encoder-*"):
        trace_of(simulated("abcd" * 10, 100.0, steps=2)).write(path)
    result = skip_profiler.run("quick")
    holds = {claim.text: claim.holds for claim in result.claims}
    assert not holds[skip_profiler.TRANSITION]
    assert not holds[skip_profiler.ENCODER]


def test_without_traces_there_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(skip_profiler, "RESULTS", tmp_path)
    with pytest.raises(FileNotFoundError, match="there are no traces"):
        skip_profiler.run("quick")


@pytest.mark.parametrize("name", list(models.MODELS))
def test_networks_run_and_repeat(name):
    torch.manual_seed(0)
    call = models.MODELS[name](torch.device("cpu"), small=True)(3)
    with torch.no_grad():
        result = call()
    assert result.shape[0] == 3
    assert result.isfinite().all()
    assert call().equal(result)


def test_small_networks_are_recorded(tmp_path):
    traces = models.record(torch.device("cpu"), (1, 2), steps=1, small=True)
    assert {name: sorted(of_batch) for name, of_batch in traces.items()} == {
        "encoder": [1, 2], "decoder": [1, 2], "resnet": [1, 2]
    }  # fmt: skip
    traces["decoder"][1].write(tmp_path / "decoder.json.gz")
    assert Trace.read(tmp_path / "decoder.json.gz").outermost[0].name.startswith("aten::")


def test_layers_against_torchs_own():
    """The encoder layer is torch's; the rotation leaves norms and relative angles."""
    width, heads = 16, 4
    layer = models.EncoderLayer(width, heads).eval()
    own = torch.nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True
    ).eval()
    attention = own.self_attn
    with torch.no_grad():
        parts = (layer.query, layer.key, layer.value)
        attention.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        attention.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
        pairs = ((attention.out_proj, layer.output), (own.linear1, layer.wide),
                 (own.linear2, layer.narrow), (own.norm1, layer.norms[0]),
                 (own.norm2, layer.norms[1]))  # fmt: skip
        for to, of in pairs:
            to.load_state_dict(of.state_dict())
        x = torch.randn(2, 5, width)
        torch.testing.assert_close(layer(x), own(x), rtol=1e-4, atol=1e-5)
    x = torch.randn(2, 5, width)
    expected = torch.nn.functional.rms_norm(x, (width,), eps=1e-6)
    torch.testing.assert_close(models.RMSNorm(width)(x), expected)

"""The ways to a model: a server on loopback, one in this process, the built-in rule."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mercer.lab import Candidate
from mercer.lab.models import Completion, Endpoint, EndpointError, LocalModel, Model, Proposer
from mercer.lab.problems import find
from mercer.lab.search.propose import code
from mercer.lab.templates import Schedule


class Server:
    """Answers requests with the replies given, and keeps what was asked."""

    def __init__(self, replies):
        self.asked, outer = [], self
        replies = list(replies)

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, self.headers.get("Authorization"), body))
                status, reply = replies.pop(0)
                data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
                self.send_response(status)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *arguments):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


def answer(text, **message):
    return {
        "choices": [{"message": {"content": text, **message}}],
        "usage": {"completion_tokens": 5},
    }


def test_an_endpoint_asks_and_reads_a_completion():
    with Server([(200, answer("hello", reasoning_content="hm"))]) as server:
        model = Endpoint(server.url, "tiny", key="secret", system="Be terse.")
        found = model.complete("hi", seed=4, temperature=0.0, maximum_tokens=9)
    assert found == Completion("hello", "hm", 5)
    path, authorization, body = server.asked[0]
    assert (path, authorization) == ("/v1/chat/completions", "Bearer secret")
    assert body == {
        "model": "tiny",
        "messages": [
            {"role": "system", "content": "Be terse."},
            {"role": "user", "content": "hi"},
        ],
        "temperature": 0.0,
        "max_tokens": 9,
        "seed": 4,
    }
    assert "secret" not in repr(model)


def test_thoughts_in_the_text_are_told_apart():
    with Server([(200, answer("<think>why</think>\nso"))]) as server:
        assert Endpoint(server.url, "m").complete("hi") == Completion("so", "why", 5)


def test_a_busy_server_is_asked_again():
    with Server([(429, {}), (503, {}), (200, answer("now"))]) as server:
        assert Endpoint(server.url, "m").complete("hi").text == "now"
    assert len(server.asked) == 3


def test_a_refusal_is_told_and_not_repeated():
    with (
        Server([(401, {"error": "no key"})]) as server,
        pytest.raises(EndpointError, match=r"status 401.*no key"),
    ):
        Endpoint(server.url, "m").complete("hi")
    assert len(server.asked) == 1


@pytest.mark.parametrize("reply", [{"choices": []}, b"<html>", {"choices": [{}]}])
def test_what_is_not_a_completion_is_refused(reply):
    with Server([(200, reply)]) as server, pytest.raises(EndpointError, match="answered"):
        Endpoint(server.url, "m").complete("hi")


def test_a_server_that_is_away_is_given_up():
    with Server([]) as server:
        url = server.url
    with pytest.raises(EndpointError, match="gave no answer"):
        Endpoint(url, "m", attempts=2, seconds=1.0).complete("hi")


def test_addresses_need_a_scheme():
    with pytest.raises(ValueError, match="must start with http"):
        Endpoint("localhost:8000", "m")


class Letters:
    """A tokenizer of single bytes."""

    eos_token_id, pad_token_id, chat_template = 0, None, None

    def __call__(self, text, return_tensors="pt"):
        import torch

        return {"input_ids": torch.tensor([[b % 120 + 1 for b in text.encode()]])}

    def decode(self, ids, skip_special_tokens=True):
        return bytes(int(i) for i in ids if i).decode("latin-1")


def test_a_local_model_repeats_itself_for_the_same_seed():
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    shape = {"vocab_size": 128, "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    network = transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape, eos_token_id=0))
    model = LocalModel(network, Letters(), name="tiny")
    state = torch.get_rng_state()
    first = model.complete("abc", seed=3, maximum_tokens=12)
    assert first == model.complete("abc", seed=3, maximum_tokens=12)
    assert first != model.complete("abc", seed=4, maximum_tokens=12)
    assert torch.equal(state, torch.get_rng_state())  # the caller's generator is untouched
    assert 0 < first.tokens <= 12
    greedy = model.complete("abc", temperature=0.0, maximum_tokens=5)
    ids = model.encode("abc")
    with torch.no_grad():
        for _ in range(greedy.tokens):
            ids = torch.cat([ids, network(ids).logits[:, -1:].argmax(-1)], 1)
    thoughts = f"<think>{greedy.reasoning}</think>" if greedy.reasoning else ""
    assert thoughts + greedy.text == Letters().decode(ids[0, 3:])


def test_every_way_is_a_model():
    assert isinstance(Endpoint("http://x", "m"), Model)
    assert isinstance(Proposer(find("softmax")), Model)


def test_the_proposer_answers_with_a_candidate_and_its_schedule():
    proposer = Proposer(find("softmax"), size="race")
    first = proposer.complete('```json\n{"number": 0, "parents": []}\n```').text
    assert Candidate(code(first), "triton").source.startswith('"""softmax')
    parent = proposer.openings[1].json()
    state = json.dumps({"number": 99, "parents": [{"schedule": parent}]})
    prompt = f"```json\n{state}\n```"
    texts = {proposer.complete(prompt, seed=s).text for s in range(6)}
    assert len(texts) > 3
    assert proposer.complete(prompt, seed=1) == proposer.complete(prompt, seed=1)
    held = json.loads(first.rsplit("```json\n", 1)[1].split("```")[0])
    assert Schedule.read(held["schedule"]) == proposer.openings[0]


def tiny():
    """Return a network of few weights and the model that it is."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(0)
    shape = {"vocab_size": 128, "n_positions": 64, "n_embd": 16, "n_layer": 1, "n_head": 2}
    network = transformers.GPT2LMHeadModel(transformers.GPT2Config(**shape, eos_token_id=0))
    return network.eval(), LocalModel(network, Letters(), name="tiny")


def test_a_cold_local_model_takes_the_likeliest_token():
    _, model = tiny()
    greedy = model.complete("abc", temperature=0.0, maximum_tokens=5)
    assert model.complete("abc", seed=3, temperature=1e-6, maximum_tokens=5) == greedy


def test_a_local_model_draws_from_all_tokens():
    import torch

    network, model = tiny()
    text = model.complete("abc", seed=1, temperature=2.0, maximum_tokens=40).text
    ids = torch.cat([model.encode("abc"), torch.tensor([list(text.encode("latin-1"))])], 1)
    with torch.no_grad():
        logits = network(ids).logits[0, 2:-1]  # what each token of the answer was drawn from
    drawn = logits.gather(1, ids[0, 3:, None])
    assert int((logits > drawn).sum(1).max()) > 100  # of 128


def test_a_server_is_asked_no_oftener_than_was_said():
    busy = (429, {})
    with Server([busy, busy, (200, answer("late"))]) as server:
        with pytest.raises(EndpointError, match="status 429"):
            Endpoint(server.url, "m", attempts=2).complete("hi")
        assert len(server.asked) == 2


def test_the_proposer_varies_the_first_parent():
    proposer = Proposer(find("softmax"), size="race")
    schedules = [{"schedule": proposer.openings[k].json()} for k in (1, 0)]
    states = [json.dumps({"number": 99, "parents": p}) for p in (schedules[:1], schedules)]
    alone, both = (proposer.complete(f"```json\n{s}\n```", seed=2) for s in states)
    assert both == alone

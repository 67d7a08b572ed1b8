"""A causal language model in this process, by `transformers`."""

from __future__ import annotations

from typing import Any

import torch

from mercer.lab.models.completion import Completion, think_apart


class LocalModel:
    """A `transformers` causal model and its tokenizer.

    Parameters
    ----------
    model : transformers.PreTrainedModel
        With a head that predicts the next token.
    tokenizer : transformers.PreTrainedTokenizerBase
        Its chat template is used if it has one.
    name : str, optional
        Default: the model's own.
    """

    def __init__(self, model: Any, tokenizer: Any, *, name: str = "") -> None:
        self.model, self.tokenizer = model.eval(), tokenizer
        self.name = name or str(getattr(model.config, "_name_or_path", "") or "local")

    @classmethod
    def load(
        cls, path: str, *, device: str = "cpu", dtype: torch.dtype | None = None
    ) -> LocalModel:
        """Load a model by folder or name; weights must be safetensors."""
        from transformers import AutoModelForCausalLM, AutoTokenizer

        model: Any = AutoModelForCausalLM.from_pretrained(
            path, dtype=dtype or torch.float32, use_safetensors=True
        )
        return cls(model.to(device), AutoTokenizer.from_pretrained(path), name=path)

    def encode(self, prompt: str) -> torch.Tensor:
        """Return the token ids that the model continues, (1, length)."""
        if getattr(self.tokenizer, "chat_template", None):
            messages = [{"role": "user", "content": prompt}]
            prompt = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
            ids = self.tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        else:
            ids = self.tokenizer(prompt, return_tensors="pt")
        return ids["input_ids"].to(self.model.device)

    def complete(
        self,
        prompt: str,
        *,
        seed: int = 0,
        temperature: float = 0.7,
        maximum_tokens: int = 8192,
    ) -> Completion:
        """Answer a prompt; the same seed gives the same answer on the same device."""
        if temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {temperature}")
        ids = self.encode(prompt)  # [1, T]
        sampling: dict[str, Any] = {"do_sample": False}
        if temperature > 0:
            sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        stop = self.tokenizer.eos_token_id
        filler = self.tokenizer.pad_token_id
        devices = [ids.device] if ids.is_cuda else []
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(seed)  # `generate` draws from the global generator
            out = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=maximum_tokens,
                eos_token_id=stop,
                pad_token_id=stop if filler is None else filler,
                **sampling,
            )
        new = out[0, ids.shape[1] :]
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        reasoning, answer = think_apart(text)
        return Completion(answer, reasoning, int(new.numel()))

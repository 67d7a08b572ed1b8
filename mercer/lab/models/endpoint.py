"""A model behind any server that speaks OpenAI's chat completions, by the client of `openai`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from mercer.lab.models.completion import Completion, think_apart


class EndpointError(RuntimeError):
    """The server did not answer, or not with a completion."""


@dataclass(frozen=True)
class Endpoint:
    """A chat model at an address.

    Parameters
    ----------
    url : str
        Up to and with the version: ``http://localhost:8000/v1``.
    name : str
        The model's name on the server.
    key : str, optional
        Sent as a bearer token; not shown in `repr`.
    system : str, optional
        The system message.
    seconds : float
        How long one answer may take.
    attempts : int
        How often a request is sent while the server is busy or away, waiting longer each time.

    References
    ----------
    API reference: chat completions. https://platform.openai.com/docs/api-reference/chat
    """

    url: str
    name: str
    key: str = field(default="", repr=False)
    system: str = ""
    seconds: float = 600.0
    attempts: int = 4

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url must start with http:// or https://, got {self.url!r}")
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")

    def complete(
        self,
        prompt: str,
        *,
        seed: int = 0,
        temperature: float = 0.7,
        maximum_tokens: int = 8192,
    ) -> Completion:
        """Answer a prompt; servers are free to ignore the seed.

        Raises
        ------
        EndpointError
            If the server refuses, is away after all attempts, or answers something else.
        """
        if not (temperature >= 0 and math.isfinite(temperature)):
            raise ValueError(f"temperature must be finite and at least 0, got {temperature}")
        messages = [{"role": "system", "content": self.system}] if self.system else []
        messages.append({"role": "user", "content": prompt})
        answer = self._ask(
            model=self.name,
            messages=messages,
            temperature=temperature,
            max_tokens=maximum_tokens,
            seed=seed,
        )
        try:
            message = answer.choices[0].message
            text = message.content or ""
        except (IndexError, TypeError, AttributeError):
            raise EndpointError(f"{self.url} answered without a completion") from None
        reasoning = getattr(message, "reasoning_content", "") or getattr(message, "reasoning", "")
        if not reasoning:
            reasoning, text = think_apart(text)
        tokens = answer.usage.completion_tokens if answer.usage else 0
        return Completion(text, reasoning, int(tokens or 0))

    def _ask(self, **request: Any) -> Any:
        try:
            import openai
        except ImportError:
            raise EndpointError("an endpoint needs the package openai: mercer[lab]") from None
        try:
            with openai.OpenAI(
                base_url=self.url,
                api_key=self.key or "none",  # the client wants one; servers of one's own do not
                timeout=self.seconds,
                max_retries=self.attempts - 1,
            ) as client:
                return client.chat.completions.create(**request)
        except openai.APIStatusError as error:
            reason = f"status {error.status_code}: {error.response.text[:500]}"
        except openai.APIResponseValidationError:
            raise EndpointError(f"{self.url} answered something that is not JSON") from None
        except (openai.APIError, ValueError) as error:
            reason = str(error)
        raise EndpointError(f"{self.url} gave no answer: {reason}")

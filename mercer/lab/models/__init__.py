"""Whatever answers a prompt with a candidate: a server, a model in this process, or a rule."""

from mercer.lab.models.completion import Completion, Model
from mercer.lab.models.endpoint import Endpoint, EndpointError
from mercer.lab.models.local import LocalModel
from mercer.lab.models.proposer import Proposer

__all__ = ["Completion", "Endpoint", "EndpointError", "LocalModel", "Model", "Proposer"]

"""Published systems: what each claims, and what is measured here."""

from mercer.papers.card import Paper
from mercer.papers.check import check
from mercer.papers.claim import Claim
from mercer.papers.registry import registry
from mercer.papers.result import Result
from mercer.papers.runner import run

__all__ = ["Claim", "Paper", "Result", "check", "registry", "run"]

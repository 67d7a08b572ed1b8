"""Whether a candidate is right: the check, its tolerance, and who reads the text."""

from mercer.lab.verify.case import Case
from mercer.lab.verify.check import check
from mercer.lab.verify.compare import Worst, agree
from mercer.lab.verify.model_verifier import ModelVerifier
from mercer.lab.verify.reference import Unusable
from mercer.lab.verify.static import StaticVerifier
from mercer.lab.verify.tolerance import allowed_error, kappa
from mercer.lab.verify.truth import Truth, truth_for, truth_of
from mercer.lab.verify.verdict import Trial, Verdict
from mercer.lab.verify.verifier import Opinion, Panel, Verifier

__all__ = [
    "Case",
    "ModelVerifier",
    "Opinion",
    "Panel",
    "StaticVerifier",
    "Trial",
    "Truth",
    "Unusable",
    "Verdict",
    "Verifier",
    "Worst",
    "agree",
    "allowed_error",
    "check",
    "kappa",
    "truth_for",
    "truth_of",
]

"""Ensembles as kernel density estimates of a posterior over functions."""

from mercer.measure.ensembles.classifier import GreedyEnsembleClassifier
from mercer.measure.ensembles.divergence import DIVERGENCES, Divergence, f_divergence
from mercer.measure.ensembles.diversity import diversity
from mercer.measure.ensembles.function_space import function_points
from mercer.measure.ensembles.mixture import MixtureObjective
from mercer.measure.ensembles.networks import cnn, mlp
from mercer.measure.ensembles.select import Ensemble, select_members
from mercer.measure.ensembles.train import Descent, FunctionSpace, train_member
from mercer.measure.ensembles.uncertainty import mutual_information, predictive_entropy

__all__ = [
    "DIVERGENCES",
    "Descent",
    "Divergence",
    "Ensemble",
    "FunctionSpace",
    "GreedyEnsembleClassifier",
    "MixtureObjective",
    "cnn",
    "diversity",
    "f_divergence",
    "function_points",
    "mlp",
    "mutual_information",
    "predictive_entropy",
    "select_members",
    "train_member",
]

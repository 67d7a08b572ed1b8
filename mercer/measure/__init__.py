"""Measures held as samples: discrepancies, tests, densities, transport, sampling, embeddings."""

from mercer.measure.control_variates import control_variate_estimate
from mercer.measure.counterfactual import counterfactual_weights, minimum_stein_discrepancy
from mercer.measure.density import KernelDensity
from mercer.measure.density_integral import KernelDensityTransformer
from mercer.measure.directional import VonMisesFisher
from mercer.measure.discrepancy import mean_discrepancy
from mercer.measure.ensembles import GreedyEnsembleClassifier, select_members
from mercer.measure.hypothesis import stein_test, two_sample_test
from mercer.measure.intrinsic import IntrinsicSlicedWasserstein, collection_test
from mercer.measure.mean_field import minimise_measure
from mercer.measure.mixtures import DirichletProcessMixture
from mercer.measure.modes import find_mode
from mercer.measure.moments import KMM, KernelMomentsIV
from mercer.measure.orlicz import orlicz_wasserstein
from mercer.measure.perturbation import perturbed_stein_test
from mercer.measure.power import PowerTransformer
from mercer.measure.private import PrivateSum
from mercer.measure.quasimetric import IntervalQuasimetricEmbedding
from mercer.measure.score import score_of
from mercer.measure.stein import SteinKernel, kernel_stein_discrepancy
from mercer.measure.targets import GaussianMixture
from mercer.measure.thinning import thin
from mercer.measure.transport import sinkhorn, wasserstein, wasserstein_on_line
from mercer.measure.tsne import TSNE, OutOfCorePCA
from mercer.measure.variational import stein_variational
from mercer.measure.walk_jump import log_concave_chain

__all__ = [
    "KMM",
    "TSNE",
    "DirichletProcessMixture",
    "GaussianMixture",
    "GreedyEnsembleClassifier",
    "IntervalQuasimetricEmbedding",
    "IntrinsicSlicedWasserstein",
    "KernelDensity",
    "KernelDensityTransformer",
    "KernelMomentsIV",
    "OutOfCorePCA",
    "PowerTransformer",
    "PrivateSum",
    "SteinKernel",
    "VonMisesFisher",
    "collection_test",
    "control_variate_estimate",
    "counterfactual_weights",
    "find_mode",
    "kernel_stein_discrepancy",
    "log_concave_chain",
    "mean_discrepancy",
    "minimise_measure",
    "minimum_stein_discrepancy",
    "orlicz_wasserstein",
    "perturbed_stein_test",
    "score_of",
    "select_members",
    "sinkhorn",
    "stein_test",
    "stein_variational",
    "thin",
    "two_sample_test",
    "wasserstein",
    "wasserstein_on_line",
]

"""Goodness of fit to a reference sample by a learned likelihood ratio."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from scipy.optimize import minimize_scalar
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from mercer import checks
from mercer.kernels import Kernel
from mercer.learn import containers
from mercer.learn.estimator import Estimator
from mercer.learn.families import family, is_l1
from mercer.learn.logistic import WhitenedRows, distance_percentile, minimise
from mercer.learn.problem import Problem
from mercer.learn.progress import Progress
from mercer.linalg.solution import ConvergenceWarning

TIMES = 5  # reference events for each of a batch
GAP = 1e-6  # of the loss per unit of weight before the last step, which squares it
DISAGREEMENT = 0.001  # p-value below which toys are said to contradict the chi-squared law


class GoodnessOfFit(NamedTuple):
    """The outcome of a test of one batch."""

    statistic: float
    p_value: float
    z_score: float
    log_ratio: Any  # [n], f of each event: where it is large, the batch has too many events


class LikelihoodRatioTest(Estimator):
    r"""Whether a batch follows the law of a reference sample, against any smooth alternative.

    With reference events R of weight :math:`w = N(R) / N_R` each, where :math:`N(R)` events are
    expected in the batch D, weighted kernel logistic regression of D against R estimates
    :math:`f = \log \big( n(x | D) / n(x | R) \big)`. The statistic is the extended likelihood ratio

    .. math:: t = \max_{0 \le a \le 1}
       -2 \Big[ \sum_{x \in R} w \big(e^{a f(x)} - 1\big) - \sum_{x \in D} a f(x) \Big].

    The publication has :math:`a = 1`, from which good batches hardly differ. For bad ones it
    matters: logistic loss bears a large :math:`f` at some reference event, but :math:`e^f` there
    can make :math:`t` very negative, and hide the worst batches.

    The law of t while all is good comes from toys, batches and references drawn from the reference
    sample apart from one another; it is near a chi-squared law, whose degrees of freedom are
    estimated.

    Parameters
    ----------
    batch_size : int
        Events in a batch, :math:`N(R)`.
    kernel : Kernel or str
        Of standardised features; a name as in :class:`KernelLogisticRegression`.
    lengthscale : float, optional
        In standard deviations of the reference; default of a named kernel: the ``percentile`` of
        distances between reference events.
    percentile : float
        Between 0 and 100.
    regularisation : float, positive
        Of the mean loss: :math:`\frac1n \sum_i w_i \ell_i + \frac{\lambda}{2} \|f\|^2`; small.
    centers : int, optional
        How many events of R and D together span ``f``; default the square root of their number.
    reference_size : int, optional
        :math:`N_R`, drawn anew for every batch; default five times ``batch_size``.
    toys : int
        How many toys calibrate the law of t.
    null : {"chi2", "empirical"}
        What p-values are taken from. ``empirical`` gives none below ``1 / (toys + 1)``.
    counts : {"fixed", "poisson"}
        Whether batches have ``batch_size`` events each, or about as many, and too many or too few
        are a sign too.
    scaled : bool
        Whether to maximise over ``a``, or to take the publication's ``a = 1``.
    random_state : int, RandomState or None
        Of all choices.
    verbose : bool
        Whether to show the progress of toys on stderr.

    Attributes
    ----------
    null_ : Tensor, shape (toys,)
        The statistics of toys, in order of size.
    dof_ : float
        Degrees of freedom of the chi-squared law.
    agreement_ : float
        P-value of the Kolmogorov-Smirnov test of the toys against it.
    kernel_, lengthscale_, mean_, scale_, reference_, reference_size_, centers_ :
        What is used: the reference is standardised by mean and scale, the last two are numbers.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> generator = torch.Generator().manual_seed(0)
    >>> reference = torch.randn(2000, 2, generator=generator)
    >>> test = LikelihoodRatioTest(100, toys=40, random_state=0).fit(reference)
    >>> test.test(torch.randn(100, 2, generator=generator)).p_value > 0.01
    True
    >>> test.test(torch.randn(100, 2, generator=generator) + 0.7).p_value < 1e-6
    True

    References
    ----------
    G. Grosso, N. Lai, M. Letizia, J. Pazzini, M. Rando, L. Rosasco, A. Wulzer, M. Zanetti, "Fast
    kernel methods for Data Quality Monitoring as a goodness-of-fit test".
    https://arxiv.org/abs/2303.05413
    """

    def __init__(
        self,
        batch_size: int,
        *,
        kernel: Kernel | str = "rbf",
        lengthscale: float | None = None,
        percentile: float = 90.0,
        regularisation: float = 1e-6,
        centers: int | None = None,
        reference_size: int | None = None,
        toys: int = 100,
        null: str = "chi2",
        counts: str = "fixed",
        scaled: bool = True,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.batch_size = batch_size
        self.kernel = kernel
        self.lengthscale = lengthscale
        self.percentile = percentile
        self.regularisation = regularisation
        self.centers = centers
        self.reference_size = reference_size
        self.toys = toys
        self.null = null
        self.counts = counts
        self.scaled = scaled
        self.random_state = random_state
        self.verbose = verbose

    @torch.no_grad()
    def fit(self, X: Any, y: Any = None) -> LikelihoodRatioTest:
        """Take a reference sample and calibrate.

        Parameters
        ----------
        X : array, DataFrame or Tensor, shape (n, d)
            Events while all was good, many more than a toy takes: ``reference_size + batch_size``.
        y : None
            Not used.

        Returns
        -------
        LikelihoodRatioTest
            The estimator itself.
        """
        self._check_parameters()
        X = containers.points(self, X, reset=True)
        self.mean_, scale = X.mean(dim=0), X.std(dim=0, correction=0)
        self.scale_ = torch.where(scale > 0, scale, torch.ones_like(scale))
        self.reference_ = (X - self.mean_) / self.scale_
        self.seed_ = int(check_random_state(self.random_state).randint(2**31 - 2))
        self.reference_size_ = self._reference_size(len(X))
        size = self.reference_size_ + self.batch_size
        self.centers_ = math.ceil(math.sqrt(size)) if self.centers is None else self.centers
        self.kernel_ = self._kernel()
        length = getattr(self.kernel_, "lengthscale", None)
        self.lengthscale_ = None if length is None else length.detach().cpu().numpy()
        self.null_ = self._toys().sort().values
        self.dof_ = max(float(self.null_.mean()), 1e-3)  # the mean of the law is its dof
        law = stats.chi2(self.dof_).cdf
        self.agreement_ = float(stats.kstest(self.null_.numpy(), law).pvalue)
        if self.null == "chi2" and self.agreement_ < DISAGREEMENT:
            warnings.warn(
                f"toys do not follow the chi-squared law of {self.dof_:.1f} degrees of freedom "
                f"(p = {self.agreement_:.2g}); use null='empirical' or a larger regularisation",
                stacklevel=2,
            )
        return self

    @torch.no_grad()
    def test(self, batch: Any, *, draw: int = 0) -> GoodnessOfFit:
        """Test a batch.

        Parameters
        ----------
        batch : array, DataFrame or Tensor, shape (batch_size, d)
            Events.
        draw : int
            Which draw of reference events and centres; the same gives the same bits.

        Returns
        -------
        GoodnessOfFit
        """
        check_is_fitted(self)
        D = containers.points(self, batch, reset=False).to(self.reference_)
        if self.counts == "fixed" and len(D) != self.batch_size:
            raise ValueError(
                f"batch has {len(D)} events, but the test is calibrated for {self.batch_size}; "
                "give as many, or use counts='poisson'"
            )
        generator = torch.Generator().manual_seed(self.seed_ + 1 + checks.count("draw", draw, 0))
        chosen = torch.randperm(len(self.reference_), generator=generator)[: self.reference_size_]
        D = (D - self.mean_) / self.scale_
        t, f = self._statistic(self.reference_[chosen.to(D.device)], D, generator)
        p = self.p_value(t)
        ratio = containers.give_back(f, containers.container_of(batch), ["log_ratio"])
        return GoodnessOfFit(t, p, float(stats.norm.isf(p)), ratio)

    def p_value(self, statistic: float) -> float:
        """The probability of at least this statistic while all is good, by the law ``null``."""
        check_is_fitted(self)
        if self.null == "chi2":
            return float(stats.chi2.sf(statistic, self.dof_))
        return (1 + int((self.null_ >= statistic).sum())) / (len(self.null_) + 1)

    def _toys(self) -> Tensor:
        """The statistic of good batches, ``[toys]``."""
        generator = torch.Generator().manual_seed(self.seed_)
        rng = np.random.default_rng(self.seed_)
        n, found = len(self.reference_), []
        with Progress(bool(self.verbose), "toys") as show:
            for toy in range(self.toys):
                order = torch.randperm(n, generator=generator).to(self.reference_.device)
                size = self.batch_size
                if self.counts == "poisson":
                    size = min(max(int(rng.poisson(size)), 1), n - self.reference_size_)
                R, D, _ = order.split([self.reference_size_, size, n - self.reference_size_ - size])
                t, _ = self._statistic(self.reference_[R], self.reference_[D], generator)
                found.append(t)
                show({"iteration": toy + 1, "of": self.toys, "statistic": t})
        return torch.tensor(found, dtype=torch.float64)

    def _statistic(self, R: Tensor, D: Tensor, generator: torch.Generator) -> tuple[float, Tensor]:
        """The statistic, and ``f`` at the events of ``D``."""
        X, n = torch.cat([R, D]), len(R) + len(D)
        label = torch.cat([X.new_zeros(len(R), 1), X.new_ones(len(D), 1)])  # [n, 1]
        w = self.batch_size / len(R)
        weights = torch.cat([X.new_full((len(R),), w), X.new_ones(len(D))])  # [n]
        chosen = torch.randperm(n, generator=generator)[: self.centers_].to(X.device)
        penalty = n * self.regularisation
        problem = Problem(X, label, weights, self.kernel_, (penalty,), centers=X[chosen])
        found = minimise(WhitenedRows(problem, intercept=False), penalty, tolerance=GAP)
        if not found.converged:
            warnings.warn(
                f"the likelihood ratio is not at its optimum ({found.why}); use a larger "
                "regularisation",
                ConvergenceWarning,
                stacklevel=3,
            )
        f_R, f_D = found.scores[:, 0].double().split([len(R), len(D)])
        return _extended_likelihood_ratio(f_R, f_D, w, scaled=self.scaled), found.scores[
            len(R) :, 0
        ]

    def _kernel(self) -> Kernel:
        length = self.lengthscale
        if length is None:
            if isinstance(self.kernel, Kernel):
                return self.kernel
            l1 = is_l1(family(self.kernel))
            length = distance_percentile(self.reference_, self.percentile, l1=l1, seed=self.seed_)
        return family(self.kernel)(torch.as_tensor(length, dtype=torch.float64))

    def _reference_size(self, n: int) -> int:
        size = TIMES * self.batch_size if self.reference_size is None else self.reference_size
        if n < size + self.batch_size:
            raise ValueError(
                f"the reference has n_samples = {n} events, but a toy takes {size} for its "
                f"reference and {self.batch_size} for its batch; give more events or a smaller "
                "reference_size"
            )
        return size

    def _check_parameters(self) -> None:
        for name in ("batch_size", "toys"):
            checks.count(name, getattr(self, name))
        for name in ("centers", "reference_size"):
            if getattr(self, name) is not None:
                checks.count(name, getattr(self, name))
        checks.positive("regularisation", float(self.regularisation))
        if self.lengthscale is not None:
            checks.positive("lengthscale", torch.as_tensor(self.lengthscale, dtype=torch.float64))
        for name, known in (("null", ("chi2", "empirical")), ("counts", ("fixed", "poisson"))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")


def _extended_likelihood_ratio(f_R: Tensor, f_D: Tensor, w: float, *, scaled: bool) -> float:
    def statistic(a: float) -> float:
        return 2 * float(a * f_D.sum() - w * torch.expm1(a * f_R).sum())

    if not scaled:
        return statistic(1.0)
    # Concave in a, and zero at a = 0.
    best = minimize_scalar(lambda a: -statistic(a), bounds=(0, 1), method="bounded")
    return max(-float(best.fun), statistic(1.0), 0.0)

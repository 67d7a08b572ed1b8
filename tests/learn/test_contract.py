"""Both estimators keep the contract of estimators, with every method."""

import pytest

from mercer.learn import KernelClassifier, KernelRegressor
from mercer.testing.estimator import check_estimator, check_resuming

METHODS = ("exact", "cg", "askotch", "nystrom", "eigenpro")


@pytest.mark.parametrize("machine", [KernelRegressor, KernelClassifier])
@pytest.mark.parametrize("method", METHODS)
def test_contract(machine, method):
    epochs = 4 if method == "eigenpro" else None
    check_estimator(machine("rbf", method=method, epochs=epochs), scikit_learn=False)


@pytest.mark.parametrize("machine", [KernelRegressor, KernelClassifier])
def test_contract_of_scikit_learn(machine):
    from sklearn.utils.estimator_checks import check_estimator as check

    outcomes = check(machine("rbf"), on_skip=None, on_fail=None)
    failed = [(o["check_name"], repr(o["exception"])) for o in outcomes if o["status"] == "failed"]
    skipped = [o["check_name"] for o in outcomes if o["status"] == "skipped"]
    assert not failed
    assert set(skipped) <= {"check_array_api_input"}  # needs SCIPY_ARRAY_API in the environment
    assert len(outcomes) > 50


@pytest.mark.slow
@pytest.mark.parametrize("machine", [KernelRegressor, KernelClassifier])
def test_contract_of_scikit_learn_with_nothing_given(machine):
    check_estimator(machine())


def test_contract_is_broken_by_a_resumed_fit_with_another_seed():
    import numpy as np

    class Forgetful(KernelRegressor):
        def fit(self, X, y, sample_weight=None):
            first = self.checkpoint is not None and not self.checkpoint.exists()
            if self.checkpoint is not None and not first:
                self.checkpoint.unlink()
                self.regularisation = 5.0
            return super().fit(X, y, sample_weight)

    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 2))
    with pytest.raises(AssertionError, match="resuming changes the fit"):
        check_resuming(Forgetful("rbf", method="cg", random_state=0, tolerance=1e-12), X, X[:, 0])

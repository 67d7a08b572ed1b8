"""The contracts as public functions: each raises ``AssertionError`` naming the broken law."""

from mercer.testing.estimator import check_estimator
from mercer.testing.feature_map import check_feature_map
from mercer.testing.kernel import check_kernel
from mercer.testing.operator import check_operator

__all__ = ["check_estimator", "check_feature_map", "check_kernel", "check_operator"]

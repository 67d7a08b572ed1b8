"""What every estimator shares beside scikit-learn's base: how it is kept on disk."""

from __future__ import annotations

from pathlib import Path

from sklearn.base import BaseEstimator


class Estimator(BaseEstimator):
    """An estimator that can be saved; subclasses add ``fit`` and what they estimate.

    Constructor arguments and fitted attributes must be numbers, strings, lists and dictionaries of
    these, arrays, tensors or kernels: that is what :meth:`save` writes.
    """

    def save(self, directory: str | Path) -> None:
        """Write the fitted estimator as safetensors and JSON; :func:`mercer.load` reads it.

        Parameters
        ----------
        directory : str or Path
            Made, or replaced if it holds a saved estimator; never half written.
        """
        from mercer.learn import saving

        saving.save(self, directory)

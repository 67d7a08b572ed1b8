"""Tables that come in as numpy, pandas, polars or torch, and predictions that go out likewise."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data
from torch import Tensor

from mercer import checks
from mercer.learn.placement import device_of


class Container(NamedTuple):
    """What a table came in: the library, and what a prediction needs to look alike."""

    kind: str
    index: Any = None
    device: torch.device | None = None


def container_of(X: Any) -> Container:
    """Recognise a table; what is not torch, pandas or polars counts as numpy.

    Examples
    --------
    >>> container_of([[1.0]]).kind
    'numpy'
    """
    if isinstance(X, Tensor):
        return Container("torch", device=X.device)
    # Neither library is imported for the check: who has no such frame has no need of it.
    if "pandas" in sys.modules and isinstance(X, sys.modules["pandas"].DataFrame):
        return Container("pandas", index=X.index)
    if "polars" in sys.modules and isinstance(X, sys.modules["polars"].DataFrame):
        return Container("polars")
    return Container("numpy")


def points(estimator: Any, X: Any, *, reset: bool, device: Any = None) -> Tensor:
    """Read ``X`` as a finite float32 or float64 matrix; other number types become float64.

    Parameters
    ----------
    estimator : BaseEstimator
        Whose ``n_features_in_`` and ``feature_names_in_`` are set or checked.
    X : array, DataFrame or Tensor, shape (n, d)
        The table.
    reset : bool
        Whether to set them.
    device : device, optional
        Where to put it; by default where it is.

    Returns
    -------
    Tensor, shape (n, d)

    Raises
    ------
    TypeError, ValueError
        If ``X`` is no such matrix; NaN and infinity with row and column; if there is no such
        device.
    """
    there = None if device is None else device_of(device)
    if isinstance(X, Tensor):
        tensor = _tensor_points(estimator, X, reset)
    else:
        if getattr(getattr(X, "dtype", None), "kind", "") == "c":
            raise ValueError(
                "Complex data not supported: X must hold real numbers, pass real and imaginary "
                "parts as columns"
            )
        array = validate_data(
            estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
        )
        tensor = torch.from_numpy(array if array.flags.writeable else array.copy())
    checks.finite("X", tensor)
    return tensor.contiguous() if there is None else tensor.contiguous().to(there)


def targets(y: Any, like: Tensor) -> Tensor:
    """Read regression targets, ``[n]`` or ``[n, c]``, in the dtype of the points.

    Raises
    ------
    ValueError
        If targets are missing, of another length, or not finite (with the row).
    """
    tensor = y.detach() if isinstance(y, Tensor) else torch.from_numpy(_numbers(y))
    if tensor.ndim not in (1, 2) or (tensor.ndim == 2 and tensor.shape[1] == 0):
        raise ValueError(f"y must have shape (n,) or (n, outputs), got {tuple(tensor.shape)}")
    if len(tensor) != len(like):
        raise ValueError(f"X has {len(like)} rows but y has {len(tensor)}")
    if not tensor.dtype.is_floating_point:
        tensor = tensor.double()
    column = tensor if tensor.ndim == 2 else tensor[:, None]
    checks.finite("y", column)
    tensor = tensor.to(like)
    return checks.finite("y (in the dtype of X)", tensor)


def labels(y: Any) -> np.ndarray:
    """Read labels of classes, numbers or strings, ``[n]``.

    Raises
    ------
    ValueError
        If labels are missing, not finite, or values of a regression.
    """
    if isinstance(y, Tensor):
        y = y.detach().cpu().numpy()
    array = np.asarray(y)
    if array.dtype.kind == "f":
        tensor = torch.from_numpy(np.array(array, dtype=np.float64))
        checks.finite("y", tensor[:, None] if tensor.ndim == 1 else tensor)
    column = column_or_1d(y, warn=True)
    with warnings.catch_warnings():
        # scikit-learn takes few rows a class for a regression.
        warnings.filterwarnings("ignore", message="The number of unique classes is greater")
        check_classification_targets(column)
    return column


def weights(sample_weight: Any, like: Tensor) -> Tensor:
    """Read sample weights as float64 ``[n]``; ones where there are none.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, or the length is not that of ``X``.
    """
    n = len(like)
    if sample_weight is None:
        return torch.ones(n, dtype=torch.float64, device=like.device)
    if isinstance(sample_weight, Tensor):
        tensor = sample_weight.detach()
    else:
        tensor = torch.from_numpy(_numbers(sample_weight))
    tensor = tensor.to(like.device, torch.float64)
    if tensor.ndim == 0:
        tensor = tensor.expand(n)
    if tensor.shape != (n,):
        raise ValueError(f"sample_weight must have shape ({n},), got {tuple(tensor.shape)}")
    checks.finite("sample_weight", tensor)
    if bool((tensor < 0).any()):
        row = int((tensor < 0).nonzero()[0, 0])
        raise ValueError(
            f"sample_weight must not be negative, got {float(tensor[row]):g} at row {row}"
        )
    if not bool((tensor > 0).any()):
        raise ValueError("sample_weight is zero for every row, some weight must be positive")
    return tensor


def target_names(y: Any) -> list[str] | None:
    """Names of the outputs where ``y`` has any."""
    if hasattr(y, "columns"):
        return [str(name) for name in y.columns]
    name = getattr(y, "name", None)
    return [str(name)] if name is not None else None


def give_back(prediction: Any, container: Container, names: Sequence[str] | None) -> Any:
    """Put a prediction, ``[n]`` or ``[n, c]``, into the library that the points came in.

    A pandas or polars table gives a Series or DataFrame; pandas keeps the index.
    """
    if container.kind == "torch":
        if isinstance(prediction, Tensor):
            return prediction.to(container.device)
        # Labels that are no numbers have no tensor.
        numeric = prediction.dtype.kind in "biuf"
        return torch.from_numpy(prediction).to(container.device) if numeric else prediction
    array = prediction.cpu().numpy() if isinstance(prediction, Tensor) else prediction
    if container.kind == "numpy":
        return array
    library = sys.modules[container.kind]
    width = 1 if array.ndim == 1 else array.shape[1]
    if names is None or len(names) != width:
        names = ["prediction"] if array.ndim == 1 else [f"prediction_{k}" for k in range(width)]
    if container.kind == "pandas":
        if array.ndim == 1:
            return library.Series(array, index=container.index, name=names[0])
        return library.DataFrame(array, index=container.index, columns=list(names))
    if array.ndim == 1:
        return library.Series(names[0], array)
    return library.DataFrame({name: array[:, k] for k, name in enumerate(names)})


def _tensor_points(estimator: Any, X: Tensor, reset: bool) -> Tensor:
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n, d), got {tuple(X.shape)}")
    if X.dtype.is_complex:
        checks.floating("X", X)
    if X.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"X must be float32 or float64, got {X.dtype}; convert it with X.float()")
    if X.shape[0] == 0 or X.shape[1] == 0:
        raise ValueError(
            f"X has {X.shape[0]} rows and {X.shape[1]} columns, both must be at least 1"
        )
    if reset:
        estimator.n_features_in_ = X.shape[1]
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )
    X = X.detach()
    return X if X.dtype.is_floating_point else X.double()


def _numbers(y: Any) -> np.ndarray:
    array = np.asarray(y)
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: y must be real")
    if array.dtype.kind not in "biuf":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y must hold numbers, got {array.dtype}: {error}") from error
    return np.array(array, dtype=array.dtype if array.dtype.kind == "f" else np.float64)

"""The error of a matrix that is singular or not positive definite."""

from __future__ import annotations

import torch

LinAlgError: type[RuntimeError] = torch.linalg.LinAlgError  # type: ignore[attr-defined]

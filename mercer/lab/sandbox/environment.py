"""The variables that a worker gets: a named few, none of them a secret."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

KEPT = (
    "CC",
    "CUDA_HOME",
    "CUDA_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CXX",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "MAX_JOBS",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTHONPATH",
    "TORCHINDUCTOR_COMPILE_THREADS",
    "TORCH_CUDA_ARCH_LIST",
    "TRITON_INTERPRET",
    "TZ",
)
# A freed result is memory for the next one. By default glibc gives large ones back to the system
# or not, as it happens: page faults at every call of some workers, half the time of a softmax. Its
# cache of small pieces would hold the splinters beside aligned results, so that none fits again.
STEADY = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in {"mmap_max": 0, "trim_threshold": 1 << 40, "tcache_count": 0}.items()
)
PATHS = ("/usr/local/cuda/bin", "/usr/local/bin", "/usr/bin", "/bin")


def clean(environment: Mapping[str, str], device: str = "cpu") -> dict[str, str]:
    """Return the environment that the zygote and its workers start with.

    On a CPU memory that results have left stays with the worker, as it does on a GPU by PyTorch's
    own allocator, so that calls which are timed take no page faults.

    Examples
    --------
    >>> clean({"OPENAI_API_KEY": "sk-1", "OMP_NUM_THREADS": "2"})["OMP_NUM_THREADS"]
    '2'
    >>> "OPENAI_API_KEY" in clean({"OPENAI_API_KEY": "sk-1"})
    False
    """
    kept = {name: environment[name] for name in KEPT if name in environment}
    homes = [os.path.join(kept[n], "bin") for n in ("CUDA_HOME", "CUDA_PATH") if n in kept]
    return {
        **kept,
        **({"GLIBC_TUNABLES": STEADY} if device == "cpu" else {}),
        "PATH": ":".join([os.path.dirname(sys.executable), *homes, *PATHS]),
        "USER": "worker",
        "OPENBLAS_NUM_THREADS": "1",  # its threads would be in the way of the fork
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking for a GPU must not initialise CUDA
    }

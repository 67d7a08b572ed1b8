"""Untrusted programs in processes that can read nothing, reach nothing and outlive nothing."""

from mercer.lab.sandbox.limits import Limits
from mercer.lab.sandbox.lost import WorkerLost
from mercer.lab.sandbox.pool import Pool
from mercer.lab.sandbox.worker import Worker

__all__ = ["Limits", "Pool", "Worker", "WorkerLost"]

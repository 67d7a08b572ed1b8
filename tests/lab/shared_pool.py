"""One sandbox for all modules of tests: its process imports torch, which takes seconds."""

import atexit
import functools

from mercer.lab.sandbox import Pool


@functools.cache
def shared_pool() -> Pool:
    """Return the pool with the options that a pool has by default."""
    pool = Pool()
    atexit.register(pool.close)
    return pool

"""Graphs of references, traced once for all tests: the first takes seconds, each a half."""

import functools

from mercer.lab.templates import trace

traced = functools.cache(trace)

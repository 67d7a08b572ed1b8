"""What a kernel has no business with: a table of names, and why."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """Names that refuse a candidate that imports, reads, calls or assigns them.

    Parameters
    ----------
    subject : str
        In the sentence "line 3 uses time.sleep: <subject>".
    patterns : tuple of str
        Of dotted names, as the shell matches them; each stands for what is below it too.
    """

    subject: str
    patterns: tuple[str, ...]

    def matches(self, name: str) -> bool:
        """Whether a dotted name, or one that it is below, fits."""
        parts = name.split(".")
        heads = [".".join(parts[:k]) for k in range(1, len(parts) + 1)]
        return any(fnmatch.fnmatchcase(head, p) for head in heads for p in self.patterns)


USED = (
    Rule(
        "a kernel needs no clock",
        ("time", "timeit", "torch.cuda.Event", "torch.utils.benchmark", "torch.profiler"),
    ),
    Rule(
        "a kernel must not look at its callers",
        (
            "inspect",
            "traceback",
            "sys._getframe",
            "sys._current_frames",
            "sys.settrace",
            "sys.setprofile",
            "*.f_back",
            "*.f_locals",
            "*.f_globals",
            "*.tb_frame",
            "*.gi_frame",
            "*.__globals__",
            "*.__closure__",
            "*.__subclasses__",
        ),
    ),
    Rule("a kernel must not walk over objects that are not its own", ("gc", "weakref")),
    Rule(
        "work must be done when the call returns",
        (
            "threading",
            "_thread",
            "multiprocessing",
            "concurrent",
            "asyncio",
            "subprocess",
            "signal",
            "sched",
            "atexit",
            "os.fork*",
            "os.exec*",
            "os.spawn*",
            "os.posix_spawn*",
            "os.system",
            "os.popen",
            "os.kill*",
            "torch.multiprocessing",
            "torch.jit.fork",
            "torch.futures",
            "torch.cuda.Stream",
            "torch.cuda.stream",
            "torch.cuda.set_stream",
            "torch.cuda.ExternalStream",
            "torch.distributed",
        ),
    ),
    Rule(
        "a kernel reads and writes no files",
        (
            "open",
            "io",
            "os.open",
            "os.read",
            "os.pread",
            "os.write",
            "os.listdir",
            "os.scandir",
            "os.walk",
            "os.readlink",
            "os.dup*",
            "os.memfd_create",
            "pathlib",
            "glob",
            "shutil",
            "tempfile",
            "mmap",
            "pickle",
            "marshal",
            "shelve",
            "sqlite3",
            "socket",
            "urllib",
            "http",
            "requests",
            "torch.load",
            "torch.save",
            "torch.from_file",
            "torch.hub",
            "numpy.load",
            "numpy.save",
            "numpy.fromfile",
            "numpy.memmap",
        ),
    ),
    Rule(
        "the reference is not the candidate's to read",
        (
            "mercer.lab.problems",
            "mercer.lab.problem",
            "mercer.lab.verify",
            "mercer.lab.timing",
            "mercer.lab.runner",
            "mercer.lab.sandbox",
            "sys.modules",
            "sys.meta_path",
            "importlib",
            "pkgutil",
            "runpy",
            "__main__",
        ),
    ),
    Rule(
        "text that is put together at run time cannot be read beforehand",
        (
            "eval",
            "exec",
            "compile",
            "__import__",
            "builtins",
            "types.CodeType",
            "types.FunctionType",
        ),
    ),
    Rule(
        "outputs must be plain tensors that hold their numbers",
        (
            "torch.utils._python_dispatch",
            "torch.overrides",
            "torch._subclasses",
            "torch.Tensor._make_subclass",
            "torch.Tensor._make_wrapper_subclass",
        ),
    ),
    Rule("the judge's tools must stay what they are", ("unittest.mock", "ctypes.pythonapi")),
)

PATCHED = Rule(
    "it replaces what is not its own",
    ("torch", "numpy", "time", "sys", "os", "builtins", "math", "json", "triton", "mercer"),
)

TEXTS = Rule("the process's own files are not the candidate's to read", ("/proc/*", "*/fd/*"))

# Assignments that configure a compiler or an operator of torch's for the candidate alone.
CONFIGURED = ("os.environ", "torch._dynamo.config", "torch._inductor.config")

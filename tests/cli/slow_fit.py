"""The command line with slow steps, a checkpoint after each, and its process id in a file."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from mercer.cli import main
from mercer.learn.checkpoint import Checkpoint
from mercer.learn.progress import Progress


def slowly(self, record):
    time.sleep(0.15)


def eager(self, make):
    self.write(*make())


if __name__ == "__main__":
    Progress.__call__, Checkpoint.offer = slowly, eager
    Path(sys.argv[1], f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))
    main(sys.argv[2:])

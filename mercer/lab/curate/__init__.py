"""Data sets of reasoning and kernels: generated, curated by conciseness and speed, written."""

from mercer.lab.curate.dataset import write_dataset
from mercer.lab.curate.difficulty import Difficulty, TaskDifficulty, difficulty
from mercer.lab.curate.generation import generate, prompt_of, read_traces
from mercer.lab.curate.selection import curate
from mercer.lab.curate.store import TraceFile
from mercer.lab.curate.trace import ReasoningTrace, count_words

__all__ = [
    "Difficulty",
    "ReasoningTrace",
    "TaskDifficulty",
    "TraceFile",
    "count_words",
    "curate",
    "difficulty",
    "generate",
    "prompt_of",
    "read_traces",
    "write_dataset",
]

"""Search for fast kernels as a graph of candidates, kept in a database."""

from mercer.lab.search.browse import (
    Dialogue,
    Run,
    Step,
    best_over_time,
    dialogue,
    edges,
    failures,
    lineage,
    runs,
)
from mercer.lab.search.budget import Budget
from mercer.lab.search.database import Database
from mercer.lab.search.entry import Entry
from mercer.lab.search.evaluation import Evaluation
from mercer.lab.search.evolve import Result, evolve
from mercer.lab.search.policy import Greedy, Islands, Policy, Selection, Tree
from mercer.lab.search.propose import Proposal, propose
from mercer.lab.search.retrieval import Note, Retrieval, own_notes

__all__ = [
    "Budget",
    "Database",
    "Dialogue",
    "Entry",
    "Evaluation",
    "Greedy",
    "Islands",
    "Note",
    "Policy",
    "Proposal",
    "Result",
    "Retrieval",
    "Run",
    "Selection",
    "Step",
    "Tree",
    "best_over_time",
    "dialogue",
    "edges",
    "evolve",
    "failures",
    "lineage",
    "own_notes",
    "propose",
    "runs",
]

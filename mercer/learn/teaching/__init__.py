"""Teaching a function: a learner in a kernel's space, and teachers who choose examples."""

from mercer.learn.teaching.bound import contrast, teaching_bound
from mercer.learn.teaching.learner import Learner
from mercer.learn.teaching.synthesis import synthesised_teaching
from mercer.learn.teaching.teach import Lessons, greedy_teaching, random_teaching

__all__ = [
    "Learner",
    "Lessons",
    "contrast",
    "greedy_teaching",
    "random_teaching",
    "synthesised_teaching",
    "teaching_bound",
]

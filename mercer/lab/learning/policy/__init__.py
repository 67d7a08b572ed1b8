"""What writes candidates and learns from their outcomes."""

from mercer.lab.learning.policy.action import Action
from mercer.lab.learning.policy.grammar import Decision, Grammar, ScheduleGrammar
from mercer.lab.learning.policy.language_policy import LanguagePolicy
from mercer.lab.learning.policy.policy import Policy
from mercer.lab.learning.policy.schedule_policy import SchedulePolicy

__all__ = [
    "Action",
    "Decision",
    "Grammar",
    "LanguagePolicy",
    "Policy",
    "ScheduleGrammar",
    "SchedulePolicy",
]

"""A database of searches as a page for a browser."""

from mercer.lab.report.circumstances import Circumstances, recall, remember
from mercer.lab.report.report import check_searches, render, write_report

__all__ = ["Circumstances", "check_searches", "recall", "remember", "render", "write_report"]

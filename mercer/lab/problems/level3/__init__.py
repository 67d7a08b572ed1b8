"""Whole blocks."""

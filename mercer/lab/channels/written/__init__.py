"""Operators as they are written for Triton in practice."""

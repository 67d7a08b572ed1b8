"""Fused sequences of operators."""

"""Faster on a CPU, with the same numbers, and nothing lost where it cannot be had. Imports no training and no paths."""

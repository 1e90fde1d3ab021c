"""Scores and labels become figures with their uncertainty: arrays in, numbers out. Imports training.metrics alone."""

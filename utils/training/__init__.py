"""A batch becomes a better network: numbers in and out, without a path or a log. Imports neither run nor report."""

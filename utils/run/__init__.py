"""A run from its first line to its last, stopped or not. Imported by the entry points alone."""

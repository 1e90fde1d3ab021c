"""A run folder is read and drawn. Imports neither run nor a network."""

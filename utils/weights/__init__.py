"""A file becomes the tensors of a network. Imports nothing that trains."""

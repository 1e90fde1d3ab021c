"""A file becomes a batch of uint8 pixels. Imports neither config nor networks nor training."""

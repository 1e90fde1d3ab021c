"""Which parts of a picture support a class: maps over one layer, gradients of the pixels, and drawings of both."""

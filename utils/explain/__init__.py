"""What in a picture speaks for a class: maps over one layer, gradients of the pixels, and drawings of both."""

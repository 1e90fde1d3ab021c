"""Every image judged by a network that never saw it: what tools/cross_validate.py does, whose training it is given."""

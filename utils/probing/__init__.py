"""How good a network's frozen features are for some pictures: a linear classifier on them, fitted in seconds.

Knows networks with their weights and lists of images. Must import neither utils/report's pictures nor a tool.
"""

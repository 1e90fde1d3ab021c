"""Knows which recipe fits the data, the network, its weights and the machine; nothing of runs, folders and training."""

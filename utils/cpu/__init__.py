"""Speed on a CPU, with the same results; no effect where it is not supported. Imports no training and no paths."""

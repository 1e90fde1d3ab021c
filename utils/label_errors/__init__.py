"""Which labels of a data set are probably wrong, and moving their files: what tools/find_label_errors.py does."""

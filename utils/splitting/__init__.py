"""A folder or csv of labelled images divided into train, val and test: what tools/create_data.py does."""

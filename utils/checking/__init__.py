"""What is wrong with a folder of images before anything is trained on it: what tools/check_data.py does."""

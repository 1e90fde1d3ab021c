"""The training loop and everything around it; networks live in models/."""

"""What networks hold, compute and take in time. Imports nothing that trains."""

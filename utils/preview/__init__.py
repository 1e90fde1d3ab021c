"""What a network sees under a config, as a picture. Imports neither run nor weights."""

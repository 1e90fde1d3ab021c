"""Parameters, arithmetic, speed and peak memory of networks. Imports nothing that trains."""

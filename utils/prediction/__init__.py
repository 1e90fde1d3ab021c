"""Pictures become answers. Imports nothing that trains."""

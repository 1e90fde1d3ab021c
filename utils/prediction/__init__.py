"""Images to ranked classes, in files and pictures. Imports nothing that trains."""

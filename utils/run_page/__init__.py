"""report.html: the page of a run, from the files of its folder. Imports nothing of utils/run, which calls it."""

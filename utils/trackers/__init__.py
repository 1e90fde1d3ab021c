"""Programs that keep the curves of many runs. Knows figures and paths; imports nothing of run or config."""

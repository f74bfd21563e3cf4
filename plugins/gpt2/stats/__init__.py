"""``/gpt2-stats``: the last day in numbers and as a picture."""

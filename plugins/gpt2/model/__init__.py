"""GPT-2 in tinygrad: knows tensors, nothing of requests. ``gpt2.py`` builds and runs it."""

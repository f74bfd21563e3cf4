"""The gpt2 plugin: GPT-2 on this machine, through tinygrad, in one background thread."""

"""``/gpt2-config``: what those who manage a server decide, within what the host allows."""

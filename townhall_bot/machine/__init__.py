"""What this machine has and allows: memory, files that appear whole, ``.env``."""

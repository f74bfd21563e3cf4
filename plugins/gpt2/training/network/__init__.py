"""The differentiable GPT-2: its operations, its optimiser, what training takes."""

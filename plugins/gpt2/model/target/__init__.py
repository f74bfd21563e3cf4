"""What a model is made for: which device, which weights, and which compiler makes its kernels."""

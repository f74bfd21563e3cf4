"""A step on a CPU: kernels in C, and the graph, threads and files that replay it."""

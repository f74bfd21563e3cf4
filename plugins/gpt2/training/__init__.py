"""Training a model on a host's own texts, on the host's own machine."""

"""Requests in, text out: scheduling, sampling, streaming. Knows nothing of Discord; sees a model as rows."""

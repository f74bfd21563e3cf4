"""The page: the local Discord in a browser."""

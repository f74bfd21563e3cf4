"""A bot whose servers are shared out among shards, and shards among processes (docs/operating.md)."""

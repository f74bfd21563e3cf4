"""The REST API, version 10: one module an area, and the pipeline every request goes through."""

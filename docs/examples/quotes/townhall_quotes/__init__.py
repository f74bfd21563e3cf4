"""Members keep each other's words."""

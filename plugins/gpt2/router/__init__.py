"""The one line for many engines: who gets in, who is next, which engine writes, and where a text goes on."""

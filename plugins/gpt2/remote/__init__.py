"""The bot's side of a router: a ``TextGenerator`` whose engines are elsewhere."""

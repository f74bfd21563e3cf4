"""The asyncio side of the engine: who gets in, who is next, which models are loaded. Knows nothing of Discord."""

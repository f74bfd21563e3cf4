"""What may go wrong between a bot and its Discord, on demand."""

"""From a folder of texts to a file of tokens: nothing is kept in memory, and nothing leaves the machine."""

"""What is kept on disk so that a later start need not make it again. Deleting it is always safe."""

"""What training does on a CPU, in C: products, normalisation, attention, loss and AdamW."""

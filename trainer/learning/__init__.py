"""How a network learns: batches, steps, epochs, and where a training stands between them. The child's side."""

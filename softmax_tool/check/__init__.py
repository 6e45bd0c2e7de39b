"""The gate: rules over logits, labels, computations and other people's results."""

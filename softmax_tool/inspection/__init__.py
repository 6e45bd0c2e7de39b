"""What a table of logits is: its range, what it looks like, which dtype it would survive in."""

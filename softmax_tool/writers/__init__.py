"""Everything that writes a file: whole or not at all."""

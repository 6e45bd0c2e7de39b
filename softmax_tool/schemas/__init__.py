"""The committed JSON Schemas of the machine-readable reports."""

"""The command line: thin callers of the library, and the one place that gives exit codes."""

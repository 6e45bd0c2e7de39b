"""The version, in a module that imports nothing, so that `--version` stays fast."""

VERSION = "0.1.0"

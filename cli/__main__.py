"""`python -m softmax_tool.cli` is the command."""

from .main import main

if __name__ == "__main__":
    main()

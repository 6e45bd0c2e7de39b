"""The tests of softmax-tool."""

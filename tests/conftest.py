"""What all tests take for granted, wherever they are run."""

import gc
import signal

from hypothesis import settings

# How long an example takes says nothing: machines are shared.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

# As the tool has it in a process of its own. What is made before the first test stays to the end:
# to look for garbage among thousands of tests again and again is in vain.
gc.set_threshold(100_000)


def pytest_collection_finish() -> None:
    gc.freeze()


# A shell's background job begins without Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

"""What all tests take for granted, wherever they are run."""

import signal

from hypothesis import settings

# How long an example takes says nothing: machines are shared.
settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")

# A shell's background job begins without Ctrl-C, and so would all that the tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

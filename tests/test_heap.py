"""Arrays that come and go must not cost a page fault for every page of theirs."""

import platform
import subprocess
import sys

import pytest

pytest.importorskip("resource")

FAULTS = """
import resource
import numpy as np
from softmax_tool.heap import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        a, b = np.ones(1 << 17), np.ones(1 << 17)
        del a, b
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

{first}
print(faults())
"""


def faults(first: str) -> int:
    command = [sys.executable, "-c", FAULTS.format(first=first)]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what glibc does with freed memory")
def test_memory_of_freed_arrays_is_used_again() -> None:
    # The first two arrays are written to once; 1 MB is 256 pages.
    assert faults("keep_freed_memory()") < 2 * 256 * 5
    assert faults("pass") > 2 * 256 * 50

#!/bin/sh
# A gate for CI: goes on only if `softmax-tool check` found nothing.
#
#   sh samples/ci/gate.sh LOGITS [OPTION ...]      arguments of `softmax-tool check`
#
# Exit code 0: looked, and nothing was found. 1: something was; each finding is a line. 2: it could
# not be found out, which is never a pass.

softmax-tool check --format concise "$@"
code=$?

case $code in
    0) echo "softmax: passed" ;;
    1) echo "softmax: found something, see above" ;;
    *)
        echo "softmax: could not be checked (exit code $code)"
        code=2
        ;;
esac >&2

exit "$code"

#!/bin/sh
# A gate for CI: may these logits go through softmax, log-softmax and the losses in this dtype?
#
#   samples/gate.sh LOGITS [OPTION ...]     options of `softmax-tool compare`
#
# Exit code 0: nothing overflowed and nothing became nan or infinite. 1: something did; the cases
# are listed. 2: the question could not be answered, which is never a pass.
set -u

if [ "$#" -eq 0 ]; then
    echo "usage: gate.sh LOGITS [OPTION ...]" >&2
    exit 2
fi

report=$(mktemp) || exit 2
trap 'rm -f "$report"' EXIT

softmax-tool compare --quiet --format json "$@" >"$report" || exit 2

python3 - "$report" <<'PYTHON'
import json
import sys

FOUND = 10  # an exit code that no failure of Python itself has
BROKEN = ("overflow", "zero-denominator", "log-of-zero", "nan", "inf")
with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
found = [
    f"{case['dtype']} {case['quantity']} {case['formulation']}: {kind} in {counts['rows']} rows"
    for case in report["cases"]
    for kind, counts in case["kinds"].items()
    if kind in BROKEN and counts["elements"] > counts["unavoidable"]
]
print("\n".join(found) or "nothing broke")
sys.exit(FOUND if found else 0)
PYTHON
case $? in
    0) exit 0 ;;
    10) exit 1 ;;
    *) exit 2 ;;
esac

#!/bin/sh
# A gate for CI: may these logits go through softmax, log-softmax and the losses in this dtype?
#
#   samples/gate.sh LOGITS [OPTION ...]     options of `softmax-tool compare`
#
# Exit code 0: every case was judged, nothing overflowed, nothing is nan or infinite, neither logits
# nor results. 1: something is, or a case had nothing to judge; what it is, is listed. 2: the
# question could not be answered, which is never a pass.
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
import math
import sys

FOUND = 10  # an exit code that no failure of Python itself has
BROKEN = ("overflow", "zero-denominator", "log-of-zero", "nan", "inf")


def name(part):
    return f"{part['dtype']} {part['quantity']} {part['formulation']}"


def numbers(value):
    """Give the numbers in a value of the report: none, one, or lists of them."""
    if isinstance(value, list):
        return [number for part in value for number in numbers(part)]
    return [] if value is None else [float(value)]


def problems(report):
    if not report["cases"]:
        yield "nothing was judged"
    for rounding in report["input_rounding"]:
        if rounding["overflowed"]:
            yield f"{rounding['dtype']} logits: {rounding['overflowed']} became infinite"
    for case in report["cases"]:
        for kind, counts in case["kinds"].items():
            if kind in BROKEN and counts["elements"] > counts["unavoidable"]:
                yield f"{name(case)}: {kind} in {counts['rows']} rows"
        if case["invalid_rows"]:
            yield f"{name(case)}: {case['invalid_rows']} rows have no valid result"
        if not case["judged"]:
            yield f"{name(case)}: nothing was judged"
    for loss in report["losses"]:
        values = numbers(loss["value"]) + numbers(loss["per_row"])
        broken = [value for value in values if not math.isfinite(value)]
        if broken:
            yield f"{name(loss)}: the loss is {broken[0]}"


with open(sys.argv[1], encoding="utf-8") as file:
    found = list(problems(json.load(file)))
print("\n".join(found) or "nothing broke")
sys.exit(FOUND if found else 0)
PYTHON
case $? in
    0) exit 0 ;;
    10) exit 1 ;;
    *) exit 2 ;;
esac

"""docs/rules.md is the registry: written from it, each rule with its example and what comes out.

`UPDATE_SNAPSHOTS=1 pytest tests/check/test_rules_page.py tests/test_docs.py` writes it anew; what
the examples show is compared by `tests/test_docs.py`, as on every page.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from softmax_tool.check.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from softmax_tool.check.rules import Rule

PAGE = Path(__file__).parent.parent.parent / "docs" / "rules.md"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"

HEAD = """\
# Rules of `check`

What `softmax-tool check` looks for. `--select` and `--ignore` take codes, prefixes of codes
(`OVF` is all that begin so), names, or `all`; what is selected replaces the rules that are on by
default. A rule whose subject is not there (labels, candidate, baseline) is not looked for; where
none is left, the exit code is 2.

"""

CANDIDATE = """\
A candidate is judged by its results alone. Of no use there are rules about how a formulation fails:
{computed}. What is 0 in a candidate and should not be is found by `ACC101`.
"""

TABLE = """
| code | name | on | what |
| --- | --- | --- | --- |
"""

OF_ANY = {"input", "labels", "candidate", "baseline"}
"""What rules are about that are looked for in results of somebody else."""

SHOWN = re.compile(r"^```console\n\$ (?P<command>.*)\n(?P<output>(?:.*\n)*?)```$", re.MULTILINE)


def shown_outputs(text: str) -> dict[str, str]:
    """Give what the page shows below each command; whether it is so is tested elsewhere."""
    return {found["command"]: found["output"] for found in SHOWN.finditer(text)}


def page(outputs: dict[str, str]) -> str:
    rows = (
        f"| [{rule.code}](#{rule.code.lower()}-{rule.name}) | {rule.name} | {when(rule)} | "
        f"{rule.summary} |\n"
        for rule in RULES
    )
    candidate = wrapped(CANDIDATE.format(computed=", ".join(computed())))
    sections = "".join(section(rule, outputs) for rule in RULES)
    return f"{HEAD}{candidate}{TABLE}{''.join(rows)}{sections}"


def computed() -> Iterator[str]:
    """Yield what selects the rules that are not about results: the letters of all, or a code."""
    not_given = [rule.code for rule in RULES if not OF_ANY & set(rule.about)]
    for letters in dict.fromkeys(code[:3] for code in not_given):
        mine = [code for code in not_given if code.startswith(letters)]
        every = [rule.code for rule in RULES if rule.code.startswith(letters)]
        yield from (f"`{name}`" for name in ([letters] if mine == every else mine))


def when(rule: Rule) -> str:
    return "always: exit code 2" if rule.is_error else "yes" if rule.by_default else "–"


def section(rule: Rule, outputs: dict[str, str]) -> str:
    command = f'{rule.example}; echo "exit code $?"'
    mending = wrapped(f"**To mend it:** {rule.fix}")
    return (
        f"\n## {rule.code} {rule.name}\n\n{wrapped(rule.meaning)}\n{mending}\n"
        f"```console\n$ {command}\n{outputs.get(command, '')}```\n"
    )


def wrapped(text: str) -> str:
    """Break prose into lines of at most 100 characters."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= 100:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "".join(f"{line}\n" for line in lines)


def test_the_page_is_the_registry() -> None:
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    expected = page(shown_outputs(text))
    if UPDATE:
        PAGE.write_text(expected, encoding="utf-8")
        return
    assert text == expected


def test_every_rule_has_its_example_shown() -> None:
    outputs = shown_outputs(PAGE.read_text(encoding="utf-8"))
    for rule in RULES:
        shown = outputs[f'{rule.example}; echo "exit code $?"']
        assert rule.code in shown
        assert shown.endswith(f"exit code {2 if rule.is_error else 1}\n")

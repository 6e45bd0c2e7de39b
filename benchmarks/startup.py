"""Start-up: what answers at once, and a table of five lines, beside importing Typer and NumPy."""

from __future__ import annotations

import sys

from benchmarks.measure import Contender, in_turn, setting, table

TYPER = "python -c 'import typer'"


def main() -> None:
    """Run all in turn, print the table."""
    with setting(__doc__) as chosen:
        logits = chosen.folder / "logits.csv"
        logits.write_text("a,b,c\n1,2,3\n4,5,6\n1,0,1\n12,0,0\n", encoding="ascii")
        contenders = [
            Contender(TYPER, (sys.executable, "-c", "import typer")),
            Contender("python -c 'import numpy'", (sys.executable, "-c", "import numpy")),
            *(
                Contender(f"softmax-tool {' '.join(words)}", chosen.tool_command(*words))
                for words in (("--version",), ("--help",), ("compute", "--help"))
            ),
            *(
                Contender(
                    f"compute of 5 lines, {form}",
                    chosen.tool_command("compute", logits, "--format", form),
                )
                for form in ("table", "json", "csv")
            ),
        ]
        table(in_turn(contenders, chosen.rounds), TYPER)


if __name__ == "__main__":
    main()

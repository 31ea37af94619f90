"""A long run by hand, from the root of the project:

PYTHONPATH=tests python -m fuzz --files 200000 --seed 1 --keep findings
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzz import campaign
from fuzz.seeds import LARGEST, seeds


def main() -> int:
    grammar = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    grammar.add_argument("--files", type=int, default=10_000)
    grammar.add_argument("--seed", type=int, default=0)
    grammar.add_argument("--keep", type=Path, help="folder for the files that failed")
    grammar.add_argument("--largest", type=int, default=LARGEST, help="bytes of a seed")
    grammar.add_argument("--only", default="", help="what the path of a seed must contain")
    arguments = grammar.parse_args()
    chosen = [seed for seed in seeds(arguments.largest) if arguments.only in str(seed.path)]

    def report(figures: campaign.Figures) -> None:
        if figures.files % 1000 == 0:
            print(figures, flush=True)

    figures = campaign.run(
        campaign.chances(arguments.files, arguments.seed),
        chosen,
        keep=arguments.keep,
        report=report,
    )
    print("all:", figures)
    for key, example in figures.examples.items():
        print(f"\n{key}: {example}")
    return 1 if figures.findings else 0


if __name__ == "__main__":
    sys.exit(main())

"""Side by side with the peers: python benchmarks/bench.py [decide] [scan] [delete] [--quick] [--json FILE]."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from harness import machine, show, to_json

PARTS = ("startup", "decide", "scan", "delete")


def main() -> None:
    """Run the parts that were asked for (all by default) and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes: does it run at all?")
    parser.add_argument("--json", type=Path, help="write all figures there as one JSON document")
    asked = parser.parse_args()
    print(" · ".join(f"{k}: {v}" for k, v in machine().items()))
    rows = []
    for part in asked.parts or PARTS:
        found = importlib.import_module(f"bench_{part}").rows(quick=asked.quick)
        show(found)
        rows += found
    if asked.json:
        asked.json.write_text(to_json(rows))


if __name__ == "__main__":
    main()

"""From pytest-benchmark's file to docs/benchmarks.md, and a guard: a ratio that fell by a third against the stored one fails.

    python -m benchmarks.table results.json             # write the table and benchmarks/reference.json
    python -m benchmarks.table results.json --compare   # compare with benchmarks/reference.json, write nothing
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REFERENCE, PAGE = HERE / "reference.json", HERE.parent / "docs" / "benchmarks.md"
FELL = 2 / 3


def times(results: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """group -> role -> seconds (of the whole, where a part was timed) and floating-point operations."""
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for one in results["benchmarks"]:
        info = one["extra_info"]
        seconds = one["stats"]["mean"] * info["scale"]
        found[one["group"]][info["role"]] = {"seconds": seconds, "flop": info.get("flop", 0.0), "scale": info["scale"]}
    return dict(found)


def ratios(found: dict[str, Any]) -> dict[str, float]:
    """group -> how many times faster the harness is than the notebook's loop."""
    both = {group: roles for group, roles in found.items() if {"harness", "notebook"} <= roles.keys()}
    return {group: roles["notebook"]["seconds"] / roles["harness"]["seconds"] for group, roles in both.items()}


def counted(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """group -> what was timed there, the notebook's loop apart, where its floating-point operations are known."""
    ours = {group: timed for group, roles in found.items() for role, timed in roles.items() if role != "notebook"}
    return {group: timed for group, timed in ours.items() if timed["flop"]}


def page(results: dict[str, Any]) -> str:
    """The table as Markdown."""
    found, machine = times(results), results["machine_info"]
    faster = ratios(found)
    rate = {group: timed["flop"] / timed["seconds"] / 1e9 for group, timed in counted(found).items()}
    cpu = machine.get("cpu", {})
    processor = f"{cpu.get('brand_raw', machine.get('processor', ''))}, {cpu.get('count', '?')} cores"
    lines = [
        "# Speed",
        "",
        "Written by `nox -s bench`. One round each, with compilation; harness and notebook in the same session, so that ratios",
        "hold even where seconds do not. The notebook's loops are restated in `benchmarks/notebook.py`; * marks what was",
        "timed in part and scaled up.",
        "",
        f"{processor}, Python {machine['python_version']}, {results['datetime'][:10]}.",
        "",
        "| what | notebook | harness | times faster |",
        "| --- | ---: | ---: | ---: |",
    ]
    for group, roles in found.items():
        if "harness" in roles:
            other = roles.get("notebook")
            slow = "" if other is None else f"{other['seconds']:.1f} s{' *' if other['scale'] != 1 else ''}"
            ratio = f"{faster[group]:.1f}" if group in faster else ""
            lines.append(f"| {group} | {slow} | {roles['harness']['seconds']:.1f} s | {ratio} |")
    lines += ["", "| what | seconds | GFLOP/s | share of the matrix-product peak |", "| --- | ---: | ---: | ---: |"]
    for group, timed in counted(found).items():
        peak = rate.get(f"matrix product, {'float64' if 'float64' in group else 'float32'}")
        share = "" if "peak" in found[group] or not peak else f"{rate[group] / peak:.0%}"
        lines.append(f"| {group} | {timed['seconds']:.2f} | {rate[group]:.0f} | {share} |")
    return "\n".join([*lines, ""])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description="Table of benchmarks, or of ratios.")
    parser.add_argument("results", type=Path)
    parser.add_argument("--compare", action="store_true", help="with benchmarks/reference.json")
    given = parser.parse_args()
    results = json.loads(given.results.read_text(encoding="utf-8"))
    now = ratios(times(results))
    before = json.loads(REFERENCE.read_text(encoding="utf-8")) if REFERENCE.exists() else {}
    if given.compare and not before:
        print(f"no {REFERENCE}: run the benchmarks without --compare first")
        return 2
    missing = sorted(before.keys() - now.keys())
    if not given.compare and (missing or not now):
        print(f"nothing written: {', '.join(missing or ['any pair'])} was not run, and a part does not replace the whole")
        return 1
    if not given.compare:
        PAGE.write_text(page(results), encoding="utf-8")
        REFERENCE.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {PAGE} and {REFERENCE}")
        return 0
    fell = {group for group, ratio in before.items() if group in now and now[group] < FELL * ratio}
    for group, ratio in before.items():
        said = f"{now[group]:.2f} times, was {ratio:.2f}" if group in now else "not run"
        print(f"{group}: {said}{'  SLOWER' if group in fell else ''}")
    return int(bool(fell) or not now.keys() & before.keys())


if __name__ == "__main__":
    sys.exit(main())

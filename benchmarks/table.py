"""From pytest-benchmark's file to docs/benchmarks.md, and a guard: a ratio that fell by a third against the stored one fails.

    python -m benchmarks.table results.json ...             # write the table and benchmarks/reference.json
    python -m benchmarks.table results.json ... --compare   # compare with benchmarks/reference.json, write nothing

Several files are several sessions. The table has medians over sessions, and the range of each ratio.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.report.figures.style import BLUE, GREY, STYLE

HERE = Path(__file__).parent
REFERENCE, PAGE = HERE / "reference.json", HERE.parent / "docs" / "benchmarks.md"
CURVES = HERE.parent / "docs" / "figures" / "scaling.svg"
FELL = 2 / 3
WHOLE = "four Jacobians, their spectra, restricted training, influence, responses, overlap"
# Its four Jacobians (digits, another seed, permuted labels, white noise) with their spectra, and its restricted trainings.
PARTS = {"Jacobian, float32": 4, "spectrum, both sides, checked": 4, "restricted training": 1}
VARIED = ("N", "batch", "steps")
MEASURED = ("influence", "responses", "overlap")
Groups = dict[str, dict[str, dict[str, Any]]]


def times(results: dict[str, Any]) -> Groups:
    """group -> role -> seconds (of the whole, where a part was timed) and everything else that the benchmark recorded."""
    found: Groups = defaultdict(dict)
    for one in results["benchmarks"]:
        info = one["extra_info"]
        found[one["group"]][info["role"]] = {**info, "seconds": one["stats"]["median"] * info["scale"]}
    if all({"harness", "notebook"} <= found[group].keys() for group in PARTS if group in found) and PARTS.keys() <= found.keys():
        for role, more in (("harness", MEASURED), ("notebook", ())):
            parts = [number * found[group][role]["seconds"] for group, number in PARTS.items()]
            parts += [found[group][role]["seconds"] for group in more if group in found]
            found[WHOLE][role] = {"seconds": sum(parts), "scale": 0}
    return dict(found)


def medians(sessions: Sequence[Groups]) -> Groups:
    """One session that stands for several: the median of the seconds, all else as in the last."""
    found: Groups = defaultdict(dict)
    for groups in sessions:
        for group, roles in groups.items():
            for role, timed in roles.items():
                every = [one[group][role]["seconds"] for one in sessions if role in one.get(group, {})]
                found[group][role] = {**timed, "seconds": statistics.median(every)}
    return dict(found)


def ratios(sessions: Sequence[Groups]) -> dict[str, list[float]]:
    """group -> how many times faster the harness is than the notebook's loop, in each session, ascending."""
    found: dict[str, list[float]] = defaultdict(list)
    for groups in sessions:
        for group, roles in groups.items():
            if {"harness", "notebook"} <= roles.keys():
                found[group].append(roles["notebook"]["seconds"] / roles["harness"]["seconds"])
    return {group: sorted(every) for group, every in found.items()}


def counted(found: Groups) -> dict[str, dict[str, Any]]:
    """group -> its timing, other than the notebook's, where the number of floating-point operations is known."""
    ours = {group: timed for group, roles in found.items() for role, timed in roles.items() if role in ("harness", "peak")}
    return {group: timed for group, timed in ours.items() if timed.get("flop")}


def curves(found: Groups) -> dict[str, list[dict[str, Any]]]:
    """The varied quantity -> its benchmarks, in order."""
    out: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for roles in found.values():
        if "scaling" in roles:
            out[roles["scaling"]["varied"]].append(roles["scaling"])
    return {varied: sorted(points, key=lambda point: float(point["value"])) for varied, points in out.items()}


def page(sessions: Sequence[Groups], found: Groups, last: dict[str, Any]) -> str:
    """The tables as Markdown.

    Args:
        found: the sessions' medians.
        last: pytest-benchmark's file of the last one, which says where and when.
    """
    machine = last["machine_info"]
    number = "One session" if len(sessions) == 1 else f"{len(sessions)} sessions"
    lines = [
        "# Speed",
        "",
        f"Written by `nox -s bench`, a quarter of an hour a session on two cores. {number}, in which all is done once, with",
        "compilation (scaling points nine times, without). Of several sessions the medians are given, of seconds and of ratios,",
        "and the ratios' range: harness and notebook are compared within a session, so that ratios hold even where seconds do",
        "not. The notebook's loops are restated in `benchmarks/notebook.py`; * marks a sum, or what was timed in part and scaled",
        "up: 3 of the 60 restricted trainings. On the notebook's side the last sum is Jacobians, spectra, restricted training.",
        "",
        "`nox -s bench -- --sessions 3` makes three and writes this page, its figure and `benchmarks/reference.json` anew;",
        "`nox -s bench -- --compare` writes nothing and fails where a ratio fell by a third against the reference.",
        "",
        f"{processor(machine)}, Python {machine['python_version']}, {last['datetime'][:10]}.",
        "",
        *_speeds(found, ratios(sessions)),
        *_rates(found),
        *_memory(found),
        *_scaling(found),
    ]
    return "\n".join([*lines, ""])


def processor(machine: dict[str, Any]) -> str:
    """What the benchmarks ran on, in words; not its clock, which changes by the minute."""
    cpu = machine.get("cpu", {})
    return f"{cpu.get('brand_raw', machine.get('processor', ''))}, {cpu.get('count', '?')} cores"


def _speeds(found: Groups, faster: dict[str, list[float]]) -> list[str]:
    lines = ["| what | notebook | harness | times faster |", "| --- | ---: | ---: | ---: |"]
    for group, roles in found.items():
        if "harness" in roles:
            other = roles.get("notebook")
            slow = "" if other is None else _seconds(other)
            ratio = f"{statistics.median(faster[group]):.1f}" if group in faster else ""
            if len(faster.get(group, ())) > 1:
                ratio += f" ({faster[group][0]:.1f} to {faster[group][-1]:.1f})"
            lines.append(f"| {group} | {slow} | {_seconds(roles['harness'])} | {ratio} |")
    return [*lines, ""]


def _seconds(timed: dict[str, Any]) -> str:
    """The seconds, marked where they are a sum or scaled up."""
    return f"{timed['seconds']:.1f} s{' *' if timed['scale'] != 1 else ''}"


def _rates(found: Groups) -> list[str]:
    rate = {group: timed["flop"] / timed["seconds"] / 1e9 for group, timed in counted(found).items()}
    lines = ["| what | seconds | GFLOP/s | share of the matrix-product peak |", "| --- | ---: | ---: | ---: |"]
    for group, timed in counted(found).items():
        peak = rate.get(f"matrix product, {'float64' if 'float64' in group else 'float32'}")
        share = "" if "peak" in found[group] or not peak else f"{rate[group] / peak:.0%}"
        lines.append(f"| {group} | {timed['seconds']:.2f} | {rate[group]:.0f} | {share} |")
    return [*lines, ""]


def _memory(found: Groups) -> list[str]:
    held = {group: roles["memory"]["bytes"] / 2**30 for group, roles in found.items() if "memory" in roles}
    return [f"Peak memory of a process that goes from nothing to {group}: {size:.2f} GiB." for group, size in held.items()]


def _scaling(found: Groups) -> list[str]:
    if not curves(found):
        return []
    lines = [
        "",
        "256 columns of J in float32, compiled beforehand. The model of time is floating-point operations, that of memory the",
        "tangents of parameters, momentum, gradient and one batch's activations, for the columns that a device works on at once.",
        "",
        "![Time and memory against N, steps and batch](figures/scaling.svg)",
        "",
        "| varied | value | seconds | GFLOP/s | temporary memory | of the model's |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for varied, points in curves(found).items():
        for point in points:
            speed = f"{point['seconds']:.2f} | {point['flop'] / point['seconds'] / 1e9:.0f}"
            share = f"{point['bytes'] / 2**20:.1f} MiB | {point['bytes'] / point['modelled']:.1f}"
            lines.append(f"| {varied} | {point['value']:,} | {speed} | {share} |")
    return lines


def draw(found: Groups, target: Path) -> None:
    """The scaling curves: measured points, and the models through the middle one."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    groups = curves(found)
    style: Any = STYLE  # Matplotlib knows its keys by name alone
    with rc_context(style):
        figure = Figure(figsize=(3.2 * len(groups), 5.2), layout="constrained")
        axes = figure.subplots(2, len(groups), squeeze=False, sharex="col")
        for column, (varied, points) in zip(axes.T, groups.items(), strict=True):
            _curve(column[0], points, "seconds", "flop", 1, "seconds for 256 columns")
            _curve(column[1], points, "bytes", "modelled", 2**20, "temporary MiB a device")
            column[1].set_xlabel(varied)
            column[0].legend()
        figure.savefig(target, metadata={"Date": None})


def _curve(axis: Any, points: list[dict[str, Any]], measured: str, model: str, unit: int, label: str) -> None:
    """Measured points, and the model scaled to go through the middle one."""
    from matplotlib.ticker import LogLocator, NullLocator

    values, middle = [point["value"] for point in points], points[len(points) // 2]
    scale = middle[measured] / middle[model]
    axis.loglog(values, [point[measured] / unit for point in points], "o", color=BLUE, label="measured")
    axis.loglog(values, [point[model] * scale / unit for point in points], "--", color=GREY, label="model")
    axis.set_ylabel(label)
    axis.set_xticks(values, [f"{value:,}" for value in values])
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.yaxis.set_minor_formatter("{x:.1g}")
    axis.xaxis.set_minor_locator(NullLocator())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.table", description="Table of benchmarks, or of ratios.")
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--compare", action="store_true", help="with benchmarks/reference.json")
    given = parser.parse_args()
    results = [json.loads(path.read_text(encoding="utf-8")) for path in given.results]
    machines = {processor(one["machine_info"]) for one in results}
    if len(machines) > 1:
        print(f"{len(results)} files from {len(machines)} machines: give those of one")
        return 2
    sessions = [times(one) for one in results]
    now = {group: statistics.median(every) for group, every in ratios(sessions).items()}
    before = json.loads(REFERENCE.read_text(encoding="utf-8")) if REFERENCE.exists() else {}
    if given.compare:
        return compare(now, before)
    found = medians(sessions)
    missing = sorted({*before, *PARTS, WHOLE} - now.keys())
    missing += [f"scaling with {varied}" for varied in VARIED if varied not in curves(found)]
    if missing:
        print(f"nothing written: {', '.join(missing)} was not run, and a part does not replace the whole")
        return 1
    draw(found, CURVES)
    PAGE.write_text(page(sessions, found, results[-1]), encoding="utf-8")
    REFERENCE.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {PAGE}, {CURVES} and {REFERENCE}")
    return 0


def compare(now: dict[str, float], before: dict[str, float]) -> int:
    """Print each ratio beside the stored one. Returns 1 if one fell by a third or none was comparable, 2 if nothing is stored."""
    if not before:
        print(f"no {REFERENCE}: run the benchmarks without --compare first")
        return 2
    fell = {group for group, ratio in before.items() if group in now and now[group] < FELL * ratio}
    for group, ratio in before.items():
        said = f"{now[group]:.2f} times, was {ratio:.2f}" if group in now else "not run"
        print(f"{group}: {said}{'  SLOWER' if group in fell else ''}")
    return int(bool(fell) or not now.keys() & before.keys())


if __name__ == "__main__":
    sys.exit(main())

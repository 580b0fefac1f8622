"""The table of benchmarks: ratios, sums, the output of a partial run, and the rule for slower. No test asserts a time."""

import json

import pytest

from benchmarks import table


def benchmark(group, role, seconds, scale=1.0, **told):
    return {"group": group, "stats": {"median": seconds}, "extra_info": {"role": role, "scale": scale, **told}}


def results(slower=1.0, scaling=True):
    pairs = {"Jacobian, float32": (10, 40), "spectrum, both sides, checked": (5, 10), "restricted training": (8, 4)}
    found = [benchmark("matrix product, float32", "peak", 1.0, flop=1e11)]
    for group, (ours, theirs) in pairs.items():
        found.append(benchmark(group, "harness", ours * slower, **({"flop": 4e11} if "Jacobian" in group else {})))
        found.append(benchmark(group, "notebook", theirs, scale=20.0 if "restricted" in group else 1.0))
    found += [benchmark(group, "harness", 2.0) for group in table.MEASURED]
    found.append(benchmark("J and its spectrum in float64", "memory", 90.0, bytes=2**31))
    for varied in table.VARIED if scaling else ():
        for value in (200, 100, 400):
            told = {"varied": varied, "value": value, "flop": 1e9 * value, "bytes": value * 2**20, "modelled": value * 2**19}
            found.append(benchmark(f"{varied}: {value}", "scaling", value / 100, **told))
    machine = {"python_version": "3.11", "cpu": {"brand_raw": "a processor", "count": 2}}
    return {"benchmarks": found, "machine_info": machine, "datetime": "2026-01-01T00:00:00"}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    for name in ("REFERENCE", "PAGE", "CURVES"):
        monkeypatch.setattr(table, name, tmp_path / f"{name.lower()}.svg")

    def main(content, *options):
        files = []
        for number, session in enumerate(content if isinstance(content, list) else [content]):
            files.append(tmp_path / f"results-{number}.json")
            files[-1].write_text(json.dumps(session))
        monkeypatch.setattr("sys.argv", ["table", *map(str, files), *options])
        return table.main(), capsys.readouterr().out

    return main


def test_the_page_holds_ratios_sums_rates_memory_and_curves(run):
    code, _ = run(results())
    assert code == 0
    page = table.PAGE.read_text()
    assert "| Jacobian, float32 | 40.0 s | 10.0 s | 4.0 |" in page
    assert "| restricted training | 80.0 s * | 8.0 s | 10.0 |" in page
    # 4 * 40 + 4 * 10 + 80 against 4 * 10 + 4 * 5 + 8 and three times 2
    assert f"| {table.WHOLE} | 280.0 s * | 74.0 s * | 3.8 |" in page
    assert "| Jacobian, float32 | 10.00 | 40 | 40% |" in page
    assert "in float64: 2.00 GiB" in page
    assert page.index("| N | 100 | 1.00 | 100 | 100.0 MiB | 2.0 |") < page.index("| N | 200 |")
    assert table.CURVES.read_text().startswith("<?xml")


def test_the_same_results_make_the_same_files(run):
    run(results())
    first = table.CURVES.read_bytes()
    run(results())
    assert table.CURVES.read_bytes() == first


def test_a_part_replaces_nothing(run):
    code, said = run(results(scaling=False))
    assert code == 1
    assert "nothing written: scaling with N, scaling with batch, scaling with steps was not run" in said
    assert not table.PAGE.exists()


def test_a_slower_harness_is_found_and_a_slower_machine_is_not(run):
    assert run(results(), "--compare")[0] == 2
    run(results())
    assert run(results(slower=1.2), "--compare")[0] == 0
    code, said = run(results(slower=2.0), "--compare")
    assert code == 1
    assert "Jacobian, float32: 2.00 times, was 4.00  SLOWER" in said
    everything = results()
    for one in everything["benchmarks"]:
        one["stats"]["median"] *= 3
    assert run(everything, "--compare")[0] == 0


def test_several_sessions_give_medians_and_ranges(run):
    assert run([results(), results(slower=2.0), results(slower=0.5)])[0] == 0
    page = table.PAGE.read_text()
    assert "3 sessions, in which all is done once" in page
    assert "| Jacobian, float32 | 40.0 s | 10.0 s | 4.0 (2.0 to 8.0) |" in page
    assert json.loads(table.REFERENCE.read_text())["Jacobian, float32"] == 4.0


def test_sessions_of_two_machines_are_not_mixed(run):
    other = results()
    other["machine_info"]["cpu"]["count"] = 64
    code, said = run([results(), other])
    assert code == 2
    assert "2 files from 2 machines: give those of one" in said

"""Figures of the papers from planted evidence: their curves, their captions, and their behaviour if evidence is missing."""

import dataclasses
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from html import escape
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import claims.outlier_eigenspaces
import claims.tiny_subspace
import claims.training_jacobian  # noqa: F401 - the packages make their papers known
from claims.training_jacobian.figures.spectrum import quarter_circle
from harness.report import html
from harness.report.figures import Drawing, draw_all, export, figures_of, svg
from harness.report.figures.registry import Data, Figure, optional, source
from harness.report.figures.style import _decade, span, thinned
from harness.suite import evidence
from harness.suite.evidence import slug
from harness.suite.paper import PAPERS
from harness.suite.records import ClaimRecord, MeasurementRecord, Report, RuleRecord
from tests.report.test_html import REPORT, checked

N = 400
K = np.array([20, 80, 200, 380])
LAMBDA = np.logspace(-3, 3, 7)
BLANK = ClaimRecord(
    "",
    "",
    "",
    "",
    "",
    "seeds",
    "",
    None,
    "",
    RuleRecord([0, 1], "so"),
    "SUPPORTED",
    None,
    verdict="SUPPORTED",
    passed=True,
    measurements=[MeasurementRecord("it", "", "", [["digits[0]"]], [0.5], None, [0.4, 0.6])],
)


def spectrum(seed: int) -> np.ndarray:
    """50 values above 1.1, 250 within 0.1 of one, 100 below 0.9."""
    near = 1 + 0.05 * np.linspace(1, -1, 250) ** 3
    return np.concatenate([np.geomspace(20 + seed, 1.2, 50), near, np.geomspace(0.8, 1e-6, 100)])


def evidence_of(claim: str, seed: int) -> dict[str, np.ndarray]:
    """What a run of this seed would leave behind for the claim."""
    rng, sigma = np.random.default_rng(seed), spectrum(seed)
    curve = {"dimensions": K, "size": np.array(N), "cosine": 0.6 + 0.3 * K / N, "baseline": K / N}
    response = np.multiply.outer(np.ones(5), LAMBDA)[:, None]
    by_family = {
        "chaotic-magnitude": {"sigma": sigma},
        "noise-no-bulk": {"sigma": np.geomspace(3, 1e-2, N)},
        "alignment-bulk": {"sigma": sigma, "cosine": np.where(abs(sigma - 1) < 0.1, 0.999, rng.normal(size=N) / 20)},
        "linear-bulk": {
            "stimulus": LAMBDA, "along": response, "sigma": np.ones(5), "orthogonal": np.maximum(0.1 * response**2, 1e-5),
        },
        "nonlinear-top": {
            "stimulus": LAMBDA, "along": 20 * LAMBDA / (1 + LAMBDA), "linear": 20 * LAMBDA,
            "orthogonal": 10 * LAMBDA**2 / (1 + LAMBDA),
        },
        "invisible-in-distribution": {"sigma": sigma, "kl": np.where(abs(sigma - 1) < 0.1, 1e-6, 1e-4)},
        "visible-far-ood": {"sigma": sigma, "kl": rng.lognormal(size=N)},
        "bulk-barely-moves": {"sigma": sigma, "moved": rng.lognormal(size=N)},
        "pfj-nullspace": {"sigma": np.concatenate([np.geomspace(50, 1, 340), np.full(60, 1e-8)])},
        "pfj-overlap": curve,
        "bulk-seed-overlap": curve,
        "bulk-label-overlap": curve,
        "loss-independence": curve,
        "bulk-training-fails": {
            "dimensions": K, "unrestricted": np.array(0.2), "bulk": np.array([2.3, 2.3, 2.0, 0.2]),
            "complement": np.array([1, 0.2, 0.2, 0.2]), "random": np.array([2, 1, 0.2, 0.2]),
            "chaotic": np.array([0.2] * 4), "stable": np.array([2, 2, 0.3, np.inf]),
        },
        "three-regions": {"log sigma": np.linspace(-3, 2, 50), "density": np.geomspace(1, 100, 50)},
        "bulk-unmoved": {"sigma": sigma, "shift": np.maximum(abs(sigma - 1), 1e-7)},
        "dimension-of-training": {"departure": np.sort(abs(sigma - 1))[::-1]},
        "active-by-strength": {"sigma": sigma, "strength": abs(sigma - 1) + 0.1},
        "low-rank-updates": {"share": np.array([0.5, 0.8, 0.95, 1.0])},
        "lenet-5": {"ritz": np.array([400, 1.02, 0.98]), "weights": np.array([0.1, 0.6, 0.3])},
        "lenet-5-noise-no-bulk": {
            "on-images": np.array([[30, 0.7, 0.8, 0.9], [120, 0.5, 0.6, 0.7]]),
            "on-white-noise": np.array([[30, 0.6, 0.8, 0.9], [120, 0.1, 0.2, 0.3]]),
        },
        **tiny_subspace(rng, seed),
        **outlier_eigenspaces(rng),
    }  # fmt: skip
    return by_family[claim.partition("/")[2].partition("[")[0]]


QUOTES = {
    "training-jacobian/alignment-chaotic": "they still have cosine similarity in excess of 0.6",
    "training-jacobian/nonlinear-top[leaves]": "leaves the linear regime between lambda = 10^-1 and lambda = 10^0",
    "training-jacobian/nonlinear-top[overtakes]": "overtaking the projection onto span(u_i) (blue) when lambda > 1",
    "tiny-subspace/kink-at-classes[mnist,flat]": "increasing the subspace until d = 9 leads to a pretty fixed overlap",
}
COUNTED = {
    "training-jacobian/bulk-training-fails[complement-38]": "at k = 152",
    "training-jacobian/pfj-overlap[digits]": "at k = 80",
    "tiny-subspace/gradient-in-top[mnist,training]": "top ten, mean over 4 steps",
}


def tiny_subspace(rng: np.random.Generator, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Ten eigenvectors that hold 0.9 of the gradient from step 50 on and stay, ten that move, over 1200 parameters.

    Nine tenths of that lie along one eigenvector, which is another one for every seed.
    """
    steps, late = np.array([0, 50, 100, 200, 600]), np.array([0, 2020, 3000])
    along = np.concatenate([np.roll([0.81, *[0.01] * 9], seed), np.full(10, 0.001)])
    shares = np.multiply.outer([0.1, 1, 1, 1, 1], along)
    rotation = np.linalg.qr(rng.normal(size=(5, 5, 10, 10)))[0] * 0.9
    final = {"whole": 0.1, "dominant": 1.0, "complement": 0.2}
    losses = {f"loss, {side}": np.geomspace(2.3, last, 5) for side, last in final.items()}
    return {
        "gradient-in-top": {"steps": steps, "shares": shares, "f_top": shares[:, :10].sum(axis=1)},
        "top-preserved": {"steps": steps, "cross": rotation},
        "kink-at-classes": {"dimensions": np.arange(2, 21), "overlap": np.r_[np.full(9, 0.8), np.linspace(0.7, 0.4, 10)]},
        "k-outliers": {"eigenvalues": np.r_[np.linspace(10, 5, 9), 0.3, 0.2, 0.1]},
        "not-localised": {"steps": np.array([100, 400]), "leading": rng.normal(size=(2, 1200)) / 35},
        "lambda-max-decays": {"steps": steps, "eigenvalue": np.array([2.0, 10, 20, 12, 4])},
        "hessian-gradient-overlap": {"steps": late, "overlap": np.array([0.3, 0.94, 0.96])},
        "batch-size": {"overlap by batch": np.array([0.9, 0.92, 0.94, 0.3])},
        "confined-training": {"steps": np.arange(100, 301, 50), **losses},
    }


def outlier_eigenspaces(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Alignment 1 - e^(-t) at t = steps / d, and an XOR network that succeeds in 3 of 10 trajectories."""
    times = np.linspace(0, 8, 17)
    curves = {f"alignment-{d}": 1 - np.exp(-times) for d in (50, 100)} | {f"steps-over-d-{d}": times for d in (50, 100)}
    spectrum = np.array([20, 12, 11, 0.9, 0.8]) * rng.uniform(0.9, 1.1, size=(6, 3, 5))
    layers = np.stack([np.geomspace(1, 1e-3, 17)] * 8, axis=1)[:, None] * np.ones((17, 6, 1))
    return {
        "gmm-alignment-time": curves,
        "gmm-emergence": {"eigenvalues": spectrum},
        "gmm-outliers": {"eigenvalues": spectrum},
        "xor-last-layer": {"times": times, "overlap": np.linspace(0.5, 1, 17)[:, None] * np.ones(6), "eigenvalues": layers},
        "xor-rank-deficient": {"table": np.array([[3, 0], [1, 6]]), "rank-4-interval": np.array([[0.3, 1.0], [0.0, 0.6]])},
        "xor-probability": {"test-loss": np.ones(4)},
        "xor-first-layer": {"alignment": np.array([[0.9, 1.0], [0.2, 0.8]]), "live": np.array([[True, True], [False, True]])},
        "xor-three-layers": {"alignment": np.array([[0.7, 0.9]]), "live": np.array([[True, True]])},
    }


def planted(folder: Path, claims: dict[str, float | None], seeds: int = 3) -> Report:
    """A report with the evidence of these claims (and the number that the paper gives for each) in the folder."""
    records = []
    for id, published in claims.items():
        measured = dataclasses.replace(BLANK.measurements[0], counted=COUNTED.get(id, ""))
        about = {"id": id, "paper": id.partition("/")[0], "published": published, "quotes": QUOTES.get(id, "")}
        details = [dataclasses.replace(measured, name="outliers, median")] if "k-outliers" in id else []
        record = dataclasses.replace(BLANK, **about, measurements=[measured, *details])  # type: ignore[arg-type]
        if id in QUOTED:
            records.append(record)
            continue
        arrays = {f"{seed}/{name}": array for seed in range(seeds) for name, array in evidence_of(id, seed).items()}
        reference, content = evidence.pack(id, arrays)
        (folder / reference.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / reference.file).write_bytes(content)
        records.append(dataclasses.replace(record, evidence=reference))
    return dataclasses.replace(REPORT, claims=records)


FIGURES = figures_of(dataclasses.replace(REPORT, claims=[dataclasses.replace(BLANK, paper=paper) for paper in PAPERS]))


def of_paper(paper: str) -> list[Figure]:
    return [figure for figure in FIGURES if figure.paper == paper]


SOURCES = [source for figure in FIGURES for source in figure.sources.values()]
DRAWN = {source.claims[0]: None for source in SOURCES if not source.quoted}
QUOTED = {id for source in SOURCES for id in source.claims if source.quoted} - DRAWN.keys()  # these have a record and no evidence
ALL: dict[str, float | None] = DRAWN | dict.fromkeys(sorted(QUOTED))
PUBLISHED = {
    "training-jacobian/pfj-nullspace[digits]": 60.0,
    "training-jacobian/active-training-works[text,stable]": 100.0,
    "training-jacobian/chaotic-count[1.1]": 40.0,
    "training-jacobian/bulk-count[all]": 260.0,
    "training-jacobian/stable-count[0.9]": 90.0,
    "training-jacobian/bulk-training-fails[bulk]": 316.2,
    "training-jacobian/dimension-of-training[0.1]": 0.3,
    "tiny-subspace/gradient-in-top[mnist,top-ten]": 0.93,
    "tiny-subspace/hessian-gradient-overlap[mnist,softmax]": 0.96,
    "tiny-subspace/hessian-gradient-overlap[regression]": 0.99,
    "outlier-eigenspaces/xor-probability[k-4]": 3 / 32,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return planted(folder, ALL | PUBLISHED)


@pytest.fixture(scope="module")
def drawings(report: Report, folder: Path) -> dict:
    own = [drawing for drawing in draw_all(report, folder) if not drawing.figure.networks]
    return {(drawing.figure.paper, drawing.figure.number): drawing for drawing in own}


class TestPapers:
    @pytest.mark.parametrize(
        ("paper", "numbers"),
        [
            ("training-jacobian", "1a 1b 2a 2b 3a 3b 3c 3d 4a 4b 5a 5b 6a 6b A B C D L N"),
            ("tiny-subspace", "1 2 3 4 6 8 11 12 E F"),
            ("outlier-eigenspaces", "G H I J K M"),
        ],
    )
    def test_every_figure_of_the_paper_is_drawn(self, drawings, paper, numbers):
        assert {(paper, number) for number in numbers.split()} <= set(drawings)

    def test_nothing_is_missing_where_all_evidence_is_there(self, drawings):
        told = [(d.figure.name, d.problem, d.missing, d.without) for d in drawings.values()]
        assert [entry for entry in told if any(entry[1:])] == []

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            (
                "1a",
                "Of 400 singular values 50 are above 1.1 (the paper: 40), 250 are within 0.1 of one (the paper: 260)",
            ),
            ("1b", "The median cosine over the bulk is 0.9990"),
            ("1b", "(the paper: above 0.6)"),
            ("2a", "15 directions; share that responds within 5% of λσ: 100% at λ = 0.01, 100% at λ = 1, 100% at λ = 100,"),
            (
                "2b",
                "0.50 at λ = 1, 0.09 at λ = 10. By seed, the response along u₁ falls to 80% of the linear one at λ = 0.5 "
                "(the paper: between 0.1 and 1).",
            ),
            ("2b", "By seed, the orthogonal part exceeds the one along u₁ from λ = 0.5 on (the paper: from 1 on)."),
            ("3a", "by seed: 0.5 of that over the chaotic directions, 0.5 of that over the stable directions."),
            ("3b", "The bulk's median is 0.5 times that on the test set."),
            ("4a", "60 directions on digits (the paper: 60)"),
            ("4b", "random subspaces at k = 80: digits 0.50 (0.50 without the directions carried exactly)"),
            ("5a", "from k = 10% to 80% of the dimensions: other seed 0.50"),
            ("5b", "on digits, 0.2% on white noise"),
            ("6a", "bulk works from k = 380 on, complement works from k = 80 on, random works from k = 200 on"),
            ("6a", "Interpolated, by seed: bulk from k = 0 on (the paper: about 316)."),
            ("6a", "The complement at k = 152 ends at 0.50 of the unrestricted loss."),
            ("6a", "A bulk of the paper's size gives 50% of the fall in test loss."),
            ("6b", "chaotic works from k = 20 on, stable never works"),
            ("6b", "Interpolated, by seed: chaotic from 0, stable from 0. The paper: stable from 100 (text)"),
            ("A", "The peak at one is 0.5 times as high"),
            ("B", "Median over the bulk 0.5"),
            ("C", "50.0% of 400 are above 0.1, 50.0% above 0.001; the paper's bulk leaves 30.0%."),
            ("D", "left out: 0.50; 0% of the points"),
            ("L", "wine 62% of 400, breast cancer 62% of 400"),
            ("N", "nine tenths in the first 3."),
            ("O", "On images less on white noise: 50%."),
            ("Appendix a", "largest Ritz value 20."),
            ("Appendix b", "Share within 0.01 of one: 50%."),
        ],
    )
    def test_the_first_paper_in_words(self, drawings, number, said):
        assert said in drawings["training-jacobian", number].alt

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            ("1", "MNIST 0.09 at step 0, 0.90 at step 600 (judged: 0.50, top ten, mean over 4 steps); digits (port) 0.09"),
            ("2", "MNIST, top ten from step 100: 0.81 to 0.81"),
            ("3", "MNIST 0.80 at d = 2, 0.40 at d = 20"),
            ("4", "MNIST, ten classes: after 9 (0.5 beyond the bulk)"),
            ("6", "of the last layer over those of the first: 0.5 (typical), 0.5 (largest); the paper: about 4."),
            ("8", "MNIST 2 at step 0, 20 at step 100, 4 at the end"),
            ("11", "MNIST, step 0: 0.09 and 0.00; MNIST, step 50: 0.90 and 0.01; MNIST, step 100: 0.90"),  # sums of each seed
            ("11", "first 10, step 50: 0.50 (the paper: 0.93)"),
            ("12", "MNIST, η = 0.01, overlap: 0.94, 0.96"),  # the last 1000 steps alone
            ("12", "MNIST, η = 0.01, f_top: 0.90, 0.90"),
            ("E", "MNIST 0.90 (16), 0.92 (64), 0.94 (256), 0.30 (whole set)"),
            ("F", "SGD 0.1, top ten 1, complement 0.2"),
            ("Table 1", "softmax regression: 0.40 to 0.60 on MNIST and 0.40 to 0.60 on digits (port), paper 0.96"),
            ("Table 1", "sine regression: 0.40 to 0.60 on sine, paper 0.99"),
        ],
    )
    def test_the_second_paper_in_words(self, drawings, number, said):
        assert said in drawings["tiny-subspace", number].alt

    @pytest.mark.parametrize(
        ("number", "said"),
        [
            ("G", "2.3 d at d = 50, 2.3 d at d = 100"),  # 1 - e^(-t) = 0.9 at t = 2.30
            ("I", "0.50 at the start"),
            ("J", "Hessian, optimal: 3 of 3 have four outliers; Hessian, suboptimal: 1 of 7"),
            ("M", "two layers, first: median 0.900, 5% of the neurons below 0.800; three layers, first: median 0.800"),
            ("K", "K = 4: 0.400 to 0.600, predicted 0.094"),
        ],
    )
    def test_the_third_paper_in_words(self, drawings, number, said):
        assert said in drawings["outlier-eigenspaces", number].alt

    def test_no_two_figures_of_our_own_have_one_letter(self):
        letters = [figure.number for figure in FIGURES if len(figure.number) == 1 and figure.number.isalpha()]
        assert len(letters) == len(set(letters)) >= 11

    def test_figures_that_are_compared_have_one_scale(self, drawings):
        numbers = {}
        for number in ("2a", "2b", "3a", "3b", "3d", "6a", "6b"):
            labels = re.findall(r"<text[^>]*>([^<]*)</text>", drawings["training-jacobian", number].svg)
            numbers[number] = [label for label in labels if label[:1].isdigit()]
        assert numbers["2a"] == numbers["2b"]
        assert numbers["3a"] == numbers["3b"] == numbers["3d"]
        assert "10⁻⁸" in numbers["3a"]
        assert numbers["6a"] == numbers["6b"]

    def test_what_was_not_judged_here_gives_no_number(self, report, folder):
        """At another scale the paper's number is one of another network."""
        skipped = [
            dataclasses.replace(record, verdict="NOT_RUN", measurements=[]) if record.id in QUOTED else record
            for record in report.claims
        ]
        figures = [figure for figure in of_paper("training-jacobian") if figure.number in ("1a", "6a", "11")]
        for drawing in draw_all(dataclasses.replace(report, claims=skipped), folder, figures):
            assert drawing.svg
            assert "40" not in drawing.alt.replace("400", "")

    def test_a_curve_without_evidence_is_named(self, tmp_path):
        pairs = {"training-jacobian/bulk-seed-overlap[all]": None}
        drawn = {drawing.figure.number: drawing for drawing in draw_all(planted(tmp_path, pairs, seeds=1), tmp_path)}["5a"]
        assert drawn.svg
        assert "training-jacobian/bulk-label-overlap[all]" in drawn.without

    def test_the_gaussian_baseline_is_what_random_matrices_have(self):
        sampled = np.linalg.svd(np.random.default_rng(0).normal(size=(N, N)) / np.sqrt(N), compute_uv=False)
        # singular values of Gaussian matrices are rigid: they stray by about 1 / N from their places; 0.02 is eight times that
        np.testing.assert_allclose(quarter_circle(N), sampled, atol=0.02)

    def test_every_claim_that_a_figure_is_drawn_from_exists(self):
        code = (
            "from pathlib import Path; from harness.suite.claim import REGISTRY; from harness.suite.catalogue import declare_all;"
            "declare_all(Path('claims').resolve(), Path.cwd(), ('test_*.py',)); print(*REGISTRY, sep='\\n')"
        )
        root = Path(__file__).parents[2]
        ran = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True, timeout=60)
        declared = ran.stdout.splitlines()
        papers = {id.partition("/")[0] for id in declared}
        figures = [figure for figure in FIGURES if figure.paper in papers]
        wanted = {id for figure in figures for source in figure.sources.values() for id in source.claims}
        assert wanted - set(declared) == set()
        stated = {re.sub(r"\[on-[a-z-]+\]|,on-[a-z-]+(?=\])", "", id) for id in declared if re.search(r"[\[,]on-", id)}
        on_any = {source.anywhere for figure in figures for source in figure.sources.values() if source.anywhere}
        assert on_any - stated == set()
        about = {statement for figure in figures for statement in figure.about}
        assert about - {id.partition("[")[0] for id in declared} == set()


class TestSvg:
    def test_figures_share_a_page(self, report, folder, drawings, monkeypatch):
        monkeypatch.setattr("harness.report.figures.draw_all", lambda *_: [*drawings.values()])
        page = html.render(report, folder)
        parsed = checked(page)
        assert page.count("<figure ") == len(drawings)
        assert page.count('<svg class="plot"') == sum(drawing.figure.panels for drawing in drawings.values())
        assert len(page.encode()) < 3_000_000
        assert {f"figure-training-jacobian-{number}" for number in ("1a", "6b")} <= set(parsed.ids)

    def test_references_inside_a_figure_stay_inside(self, drawings):
        for drawing in drawings.values():
            ids = set(re.findall(r'\bid="([^"]*)"', drawing.svg))
            used = set(re.findall(r'(?:url\(|href=")#([^)"]*)', drawing.svg))
            assert used <= ids
            assert all(id.startswith(drawing.figure.name) for id in ids)

    def test_nothing_dates_or_signs_a_figure(self, drawings):
        for drawing in drawings.values():
            assert not re.search(r"<\?xml|<!DOCTYPE|<metadata|<style|xlink|https?:|matplotlib\.org", drawing.svg)
            assert f'role="img" aria-label="{escape(drawing.alt)}"' in drawing.svg

    def test_numbers_on_an_axis_keep_their_digits(self):
        assert "<text>0.075</text>" in svg.inline('<svg viewBox="0 0 1 1"><path d="M1.23456 2"/><text>0.075</text></svg>', "x")
        assert "M1.23 2" in svg.inline('<svg viewBox="0 0 1 1"><path d="M1.23456 2"/><text>0.075</text></svg>', "x")

    def test_a_panel_without_evidence_is_left_out(self, report, folder):
        two = next(figure for figure in FIGURES if figure.paper == "tiny-subspace" and figure.panels == 2)
        claims = [claim for claim in report.claims if "mnist" not in claim.id]
        (drawing,) = draw_all(dataclasses.replace(report, claims=claims), folder, [two])
        assert drawing.svg.count("<svg ") == 1
        assert drawing.without

    def test_thousands_of_points_are_one_image(self, drawings):
        figure = drawings["training-jacobian", "3a"]
        assert figure.svg.count("<image") == 1
        assert len(figure.svg) < 200_000

    def test_a_file_for_each_panel_that_looks_the_same_everywhere(self, report, folder, tmp_path):
        one = next(figure for figure in FIGURES if figure.name == "figure-training-jacobian-1a")
        two = next(figure for figure in FIGURES if figure.panels == 2)
        without = planted_figure(None, sigma=source("sigma", "training-jacobian/none"))
        paths = export(report, folder, tmp_path / "out", [one, two, without])
        names = ["training-jacobian-1a", *(f"{two.name.removeprefix('figure-')}-{number}" for number in (1, 2))]
        assert [path.name for path in paths] == [f"{name}.svg" for name in names]
        for path in paths:
            root = ET.parse(path).getroot()
            assert root.tag.endswith("svg")
            assert not list(root.iter("{http://www.w3.org/2000/svg}text")), "text that depends on the reader's fonts"

    def test_drawing_again_gives_the_same_bytes_whatever_matplotlib_is_set_to(self, report, folder, drawings):
        before = [drawings["training-jacobian", "1b"], drawings["tiny-subspace", "2"]]
        with mpl.rc_context({"lines.linewidth": 9, "axes.grid": True}):
            again = draw_all(report, folder, [drawing.figure for drawing in before])
            assert mpl.rcParams["lines.linewidth"] == 9
        assert [drawing.svg for drawing in again] == [drawing.svg for drawing in before]


ELSEWHERE = (
    "linear-bulk[lenient,on-wine]",
    "linear-bulk[strict,on-wine]",
    "linear-bulk[lenient,on-mine]",
    "bulk-unmoved[median,on-wine]",
)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> dict[str, Drawing]:
    folder = tmp_path_factory.mktemp("networks")
    report = planted(folder, {f"training-jacobian/{claim}": None for claim in ELSEWHERE})
    return {drawing.figure.name: drawing for drawing in draw_all(report, folder)}


class TestOtherNetworks:
    """Figures drawn again from the claims of any network, a panel a network."""

    def test_a_figure_has_a_panel_for_each_network_that_has_its_evidence(self, elsewhere):
        two, one = (elsewhere[f"figure-training-jacobian-{number}-on-other-networks"] for number in ("2a", "b"))
        assert (two.figure.networks, one.figure.networks) == (("wine", "mine"), ("wine",))
        assert (two.svg.count("<svg "), one.svg.count("<svg ")) == (2, 1)
        assert ">wine</text>" in two.svg
        assert ">mine</text>" in two.svg
        assert two.alt.startswith("On wine: 15 directions; ")
        assert " On mine: 15 directions; " in two.alt
        assert two.figure.caption.startswith("On wine, mine. How far a step")
        assert set(two.claims) == {f"training-jacobian/{claim}" for claim in ELSEWHERE[:3]}

    def test_no_figure_is_drawn_of_a_network_without_the_evidence(self, elsewhere):
        assert set(elsewhere) == {f"figure-training-jacobian-{number}-on-other-networks" for number in ("2a", "b")}

    def test_a_report_on_other_networks_alone_misses_none_of_the_papers_figures(self):
        mine = [dataclasses.replace(BLANK, id=f"training-jacobian/{claim}", paper="training-jacobian") for claim in ELSEWHERE]
        assert figures_of(dataclasses.replace(REPORT, claims=mine)) == []


def planted_figure(draw, **sources) -> Figure:
    return Figure("training-jacobian", "9z", "Planted", "A caption.", sources, draw)


SIGMA = source("sigma", "training-jacobian/none", "training-jacobian/chaotic-magnitude[top-weak]")


class TestWhatGoesWrong:
    def test_missing_evidence_is_told_in_a_line(self, report, folder):
        lacking = dataclasses.replace(report, claims=[dataclasses.replace(record, evidence=None) for record in report.claims])
        assert all(drawing.missing and not drawing.svg for drawing in draw_all(lacking, folder))
        kept = [record for record in report.claims if "chaotic-magnitude" in record.id]
        page = html.render(dataclasses.replace(report, claims=kept), folder)
        assert "Figure 6a, Training confined to the bulk, and to its complement: from" in checked(page).text

    def test_evidence_of_an_older_harness_counts_as_missing(self, report, folder):
        figure = planted_figure(lambda axes, it: "x", it=source("sigma and-more", *SIGMA.claims))
        (drawing,) = draw_all(report, folder, [figure])
        assert drawing.missing == "training-jacobian/none or training-jacobian/chaotic-magnitude[top-weak]"

    def test_the_first_claim_that_has_it_is_used_and_what_is_optional_may_be_absent(self, report, folder):
        seen: list[Data | None] = []
        figure = planted_figure(lambda axes, it, more: seen.extend([it, more]) or "x", it=SIGMA, more=optional("sigma", "nobody"))
        (drawing,) = draw_all(report, folder, [figure])
        assert drawing.claims == ("training-jacobian/chaotic-magnitude[top-weak]",)
        assert seen[0].stack("sigma").shape == (3, N)
        assert seen[1] is None

    def test_a_figure_that_raises_costs_nobody_else(self, report, folder, monkeypatch):
        def draw(axes, it):
            raise ZeroDivisionError("by <nothing>")

        figures = [planted_figure(draw, it=SIGMA), *of_paper("training-jacobian")[:1]]
        monkeypatch.setattr("harness.report.figures.FIGURES", figures)
        first, second = draw_all(report, folder)
        assert (first.problem, first.svg) == ("ZeroDivisionError: by <nothing>", "")
        assert second.svg
        told = " ".join(checked(html.render(report, folder)).text.split())
        assert "Figure 9z could not be drawn. Planted: ZeroDivisionError: by <nothing>" in told

    def test_damaged_evidence_is_named(self, tmp_path):
        report = planted(tmp_path, {"training-jacobian/chaotic-magnitude[top-weak]": None})
        file = tmp_path / f"evidence/{slug(report.claims[0].id)}.npz"
        file.write_bytes(file.read_bytes()[:-1])
        (drawing,) = draw_all(report, tmp_path, [planted_figure(lambda axes, it: "x", it=SIGMA)])
        assert file.name in drawing.problem

    def test_without_any_figures_the_page_still_tells_every_verdict(self, report, folder, monkeypatch):
        monkeypatch.setitem(sys.modules, "harness.report.figures", None)
        told = checked(html.render(report, folder)).text
        assert "No figure could be drawn" in told
        assert f"{len(report.claims)} of {len(report.claims)} claims judged" in told

    def test_a_report_without_evidence_has_no_figures(self):
        assert "Figures" not in html.render(REPORT, Path("nowhere"))


def test_long_curves_keep_their_ends():
    kept = thinned(4810)
    assert len(kept) < 900
    assert set(range(60)) | set(range(4750, 4810)) <= set(kept)
    assert list(thinned(5)) == [0, 1, 2, 3, 4]


def test_numbers_are_written_for_people():
    assert [_decade(x, None) for x in (0.01, 0.5, 2000, 1e4, 5e4, 1e-5)] == ["0.01", "0.5", "2000", "10⁴", "5·10⁴", "10⁻⁵"]
    assert span(np.array([2.0, 2.0])) == "2"
    assert span(np.array([1.0, np.nan, 3.0])) == "1 to 3"

"""Section 3.3: what a unit step along each singular direction does to predictions, in and far out of distribution.

The paper disagrees with itself three times, and each variant is its own reading: Eq. 2 averages over inputs where the notebook
takes the maximum; Eq. 2 calls u_i the "right" singular vector where the notebook adds v_i to theta_T; and noise is uniform
in the text, normal in the notebook. The claim proper is Eq. 2 with u_i, which lives in the space of final parameters.
"""

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.influence import ratio_of_medians
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import Verdict, at_least, at_most, within


def _regions(spectrum, structural):
    everything = np.arange(spectrum.size)
    return spectrum.region(0.9, 1.1, structural=structural), np.setdiff1d(everything, spectrum.region(0.9, 1.1))


def _shuffled(run):
    order = numpy_stream(run.experiment.seed, "shuffled-influence").permutation(run.spectrum.size)
    return World(run, influence=run.influence.changed(lambda *probe: run.influence.of(*probe)[order]))


def _flattened(run):
    """Every direction has the effect of the median direction: no region is invisible, none stands out."""
    size = run.spectrum.size
    return World(run, influence=run.influence.changed(lambda *probe: np.full(size, np.median(run.influence.of(*probe)))))


def _raised(run):
    """Bulk directions ten times as effective as measured."""
    times = np.ones(run.spectrum.size)
    times[run.spectrum.region(0.9, 1.1)] = 10
    return World(run, influence=run.influence.changed(lambda *probe: times * run.influence.of(*probe)))


def _in_distribution(run):
    """The effects on test images in the place of those on any other inputs."""
    return World(run, influence=run.influence.changed(lambda side, _, how: run.influence.of(side, "test", how)))


shuffled_influence = Control("effects shuffled among directions", _shuffled)
everywhere_alike = Control("every direction has the median effect", _flattened)
test_images = Control("test images in place of the inputs far from them", _in_distribution)
raised_bulk = Control("bulk effects multiplied by 10", _raised, Verdict.SUPPORTED)


def _ratio(influence, spectrum, probe, structural):
    bulk, others = _regions(spectrum, structural)
    values = np.asarray(influence.of(*probe))
    return Measurement(
        ratio_of_medians(values, bulk, others),
        counted=f"{len(bulk)} bulk directions against {len(others)} others",
        arrays={"kl": values, "sigma": spectrum.sigma},
        details={"bulk median": float(np.median(values[bulk])), "others' median": float(np.median(values[others]))},
    )


def invisible(reading, probe, what, structural=True):
    return claim(
        f"training-jacobian/invisible-in-distribution[{reading}]",
        where="Section 3.3, Eq. 2, Figure 3a",
        says="perturbations along bulk directions have virtually no effect on test set predictions, while perturbations along the "
        "chaotic and stable subspaces do have a notable effect",
        reading=f"{what}: median over the bulk at most a tenth of the median over the other directions",
        accept=at_most(0.1, reason="an order of magnitude: 'virtually no' against 'notable'; our reading"),
        controls=[shuffled_influence, everywhere_alike],
        on="digits",
        given={"probe": probe, "structural": structural},
        scales=("smoke", "paper"),
    )


@invisible("eq-2", ("final", "test", "mean"), "KL averaged over test images, along u_i")
@invisible(
    "eq-2,nontrivial", ("final", "test", "mean"), "KL averaged over test images, along u_i, structural directions left out", False
)
@invisible("notebook", ("initial", "test", "max"), "largest KL over test images, along v_i")
def test_invisible_in_distribution(influence, spectrum, probe, structural):
    return _ratio(influence, spectrum, probe, structural)


@claim(
    "training-jacobian/visible-far-ood[larger-than-in-distribution]",
    where="Section 3.3",
    says="bulk directions have a much larger behavioral effect on far OOD behavior than they do on the test set",
    reading="median bulk KL (Eq. 2, u_i) on inverted images at least ten times that on test images, structural directions left out",
    accept=at_least(10, reason="an order of magnitude: 'much larger'; our reading"),
    controls=[test_images],
    on="digits",
    given={"probe": ("final", "inverted", "mean")},
    scales=("smoke", "paper"),
)
@claim(
    "training-jacobian/visible-far-ood[larger-than-in-distribution,noise]",
    where="Section 3.3",
    says="bulk directions have a much larger behavioral effect on far OOD behavior than they do on the test set",
    reading="median bulk KL (Eq. 2, u_i) on uniform noise at least ten times that on test images, structural directions left out",
    accept=at_least(10, reason="an order of magnitude: 'much larger'; our reading"),
    controls=[test_images],
    on="digits",
    given={"probe": ("final", "uniform", "mean")},
    scales=("smoke", "paper"),
)
def test_larger_than_in_distribution(influence, spectrum, probe):
    bulk, _ = _regions(spectrum, False)
    far, near = influence.of(*probe)[bulk], influence.of("final", "test", "mean")[bulk]
    arrays = {"kl": np.asarray(influence.of(*probe)), "sigma": spectrum.sigma}
    return Measurement(float(np.median(far) / np.median(near)), counted=f"{len(bulk)} bulk directions", arrays=arrays)


def same_on_noise(reading, probe, what, controls):
    return claim(
        f"training-jacobian/visible-far-ood[{reading}]",
        where="Section 3.3, Figure 3b",
        says="on white noise images, perturbations along bulk directions have roughly the same effect size as perturbations along "
        "other subspaces",
        reading=f"{what}: bulk median within a factor of 3 of the others' median",
        accept=within(1 / 3, 3, reason="'roughly the same': half an order of magnitude either way"),
        controls=controls,
        on="digits",
        given={"probe": probe},
    )


@same_on_noise("noise,uniform", ("final", "uniform", "mean"), "mean KL on uniform noise, along u_i (the text)", [test_images])
@same_on_noise(
    "noise,normal", ("initial", "normal", "max"), "largest KL on normal noise, along v_i (the notebook)", [test_images]
)
@same_on_noise(
    "noise,uniform-initial",
    ("initial", "uniform", "mean"),
    "mean KL on uniform noise, along v_i (the notebook's side, the text's noise)",
    [test_images, Control("effects shuffled among directions", _shuffled, Verdict.SUPPORTED)],
)
def test_same_on_noise(influence, spectrum, probe):
    return _ratio(influence, spectrum, probe, True)


def inverted(reading, probe, what):
    return claim(
        f"training-jacobian/visible-far-ood[{reading}]",
        where="Section 3.3, Figure 3d",
        says="on images with inverted colors, perturbations along the bulk have at least as much impact as perturbations along other "
        "subspaces",
        reading=f"{what}: bulk median at least the others' median",
        accept=at_least(1, reason="'at least as much': the sentence has no tolerance"),
        controls=[test_images, raised_bulk],
        on="digits",
        given={"probe": probe},
    )


@inverted("inverted", ("final", "inverted", "mean"), "mean KL on inverted images, along u_i")
@inverted("inverted,notebook", ("initial", "inverted", "max"), "largest KL on inverted images, along v_i")
def test_inverted(influence, spectrum, probe):
    return _ratio(influence, spectrum, probe, True)

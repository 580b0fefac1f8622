"""Every named experiment of the training-Jacobian paper, once."""

from dataclasses import replace

from harness.config import Data, Experiment, Model, register

# Section 3 and the authors' notebook: 64-64-10, tanh-form GELU, heavy ball 0.9, cosine 0.1 -> 0, 25 epochs of 25 batches of 64.
PAPER = Experiment("digits", "paper")
# The same pipeline on the same digits, small: N = 1210, 10 epochs.
SMOKE = Experiment("digits", "smoke", model=Model(hidden=(16,)), epochs=10)

register("digits", {"paper": PAPER, "smoke": SMOKE})
register("as-published", {"paper": replace(PAPER, name="as-published", initialisation="published", fixed_seed=True)})


def _variants(name: str, data: Data) -> None:
    register(name, {base.scale: replace(base, name=name, data=data, fixed_seed=True) for base in (PAPER, SMOKE)})


# Half the squared distance of the logits from the one-hot label, everything else the same.
register(
    "squared-error",
    {base.scale: replace(base, name="squared-error", loss="squared-error", fixed_seed=True) for base in (PAPER, SMOKE)},
)
_variants("white-noise", Data(inputs="white-noise"))
_variants("shuffled-labels", Data(labels="shuffled"))

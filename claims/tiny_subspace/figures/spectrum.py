"""Figures 4, 6 and 8: the Hessian's largest eigenvalues, its leading eigenvector, and how the largest eigenvalue evolves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, figure, optional, quoted
from harness.report.figures.style import BLUE, GREY, LINES, judged, legend, log_axis, one_scale, seeds, span, whole_numbers

from .data import DATA, PAPER, SPREAD, STYLES, UNEVEN, K, from_step_0, nothing, on_both

SPECTRA = {"figure-4": "ten classes", "parity": "even or odd", "permuted": "permuted labels"}


@figure(
    PAPER,
    "4",
    "Largest Hessian eigenvalues",
    caption="At the last step, in units of the largest, for ten classes (32-32 network), for digits labelled even or odd, and "
    "for permuted labels that are learned: median over seeds and networks, band from the lowest to the highest. Dotted: after the "
    "second and the tenth, the numbers of large ones in the paper. Values below 10⁻⁶ are drawn there. Both panels have one scale. "
    "The claims count the eigenvalues beyond a line that is fitted to the bulk.",
    sources={
        f"{data}_{tag}": optional("eigenvalues", *(f"{PAPER}/k-outliers[{data},{tag},{count}]" for count in ("k", "k-minus-one")))
        for data in DATA
        for tag in SPECTRA
        if (data, tag) != ("mnist", "permuted")  # 3000 steps do not learn permuted labels of 10,000 images
    },
    panels=2,
    about=[f"{PAPER}/k-outliers", f"{PAPER}/full-spectrum"],
)
def eigenvalues(axes: list[Axes], **found: Data | None) -> str:
    said = []
    for panel, name in zip(axes, DATA, strict=True):
        for (tag, words), style in zip(SPECTRA.items(), LINES, strict=False):
            data = found.get(f"{name}_{tag}")
            if data is not None:
                values = np.concatenate([np.atleast_2d(run["eigenvalues"]) for run in data.runs])  # all networks of all seeds
                relative, rank = np.maximum(values / values[:, :1], 1e-6), np.arange(1, values.shape[1] + 1)
                middle = seeds(panel, rank, relative, words, *style)
                gap = int(np.argmax(middle[:-1] / middle[1:])) + 1
                said.append(f"{DATA[name]}, {words}: after {gap}{_outliers(data)}")
        if panel.lines:
            for edge in (2.5, K + 0.5):
                panel.axvline(edge, color=GREY, linestyle=":", linewidth=1)
            whole_numbers(panel.xaxis)
            panel.set(xlabel="rank", ylabel=f"{DATA[name]}: eigenvalue / largest", yscale="log")
            log_axis(panel.yaxis)
            legend(panel)
        else:
            nothing(panel)
    one_scale([panel for panel in axes if panel.get_visible()])
    return f"Largest gap of the median spectrum: {'; '.join(said)}."


def _outliers(data: Data) -> str:
    """How many eigenvalues the claim counts beyond the bulk, by seed."""
    counts = [entry.values for entry in data.record.measurements[1:] if entry.name == "outliers, median"]
    return f" ({span(np.array(counts[0], float))} beyond the bulk)" if counts else ""


@figure(
    PAPER,
    "6",
    "The leading Hessian eigenvector",
    caption="Its coefficients in the order of the parameters, from the first layer's to the last layer's, at the last measured "
    "step of the first seed. Both panels have one scale. The paper shows steps 0, 100, 200 and 400, with a colour for each layer.",
    sources={
        **on_both("steps leading", "not-localised", "spread"),
        "typical": quoted(f"{PAPER}/not-localised[mnist,typical]"),
        "largest": quoted(f"{PAPER}/not-localised[mnist,largest-with-largest]"),
    },
    panels=2,
)
def leading(axes: list[Axes], typical: Data | None, largest: Data | None, **found: Data | None) -> str:
    said = []
    for panel, (name, data) in zip(axes, found.items(), strict=True):
        if data is None:
            nothing(panel)
            continue
        vector, step = data.runs[0]["leading"][-1], data.runs[0]["steps"][-1]
        panel.plot(np.arange(len(vector)), vector, "o", color=BLUE, markersize=1.2, alpha=0.5, mew=0, rasterized=True)
        panel.axhline(0, color=GREY, linewidth=0.6)
        whole_numbers(panel.xaxis, most=4)
        panel.set(xlabel="parameter", ylabel=f"{DATA[name]}: coefficient", xlim=(0, len(vector)))
        shares = [entry for entry in data.record.measurements[1:] if entry.name.startswith("share of ")]
        layers = [f"{entry.name.removeprefix('share of ')} {np.nanmedian(np.array(entry.values, float)):.0%}" for entry in shares]
        share = f"; {', '.join(layers)} of the squared norm" if layers else ""
        said.append(f"{DATA[name]} at step {step}: largest coefficient {np.abs(vector).max():.2f}{share}")
    one_scale([panel for panel in axes if panel.get_visible()])
    ratios = [f"{judged(data)} ({words})" for words, data in (("typical", typical), ("largest", largest)) if judged(data)]
    times = f" On MNIST, coefficients of the last layer over those of the first: {', '.join(ratios)}; the paper: about 4."
    return f"{'. '.join(said)}.{times if ratios else ''}"


@figure(
    PAPER,
    "8",
    "Largest Hessian eigenvalue along training",
    caption=f"{SPREAD[0].upper()}{SPREAD[1:]}. Dotted: 1 / t from the largest value on, as in the toy model. {UNEVEN}",
    sources=on_both("steps eigenvalue", "lambda-max-decays", "grows", "decays"),
)
def largest(axes: Axes, **found: Data | None) -> str:
    said, last = [], 0.0
    for name, data in found.items():
        if data is None:
            continue
        steps, values = data.stack("steps")[0], data.stack("eigenvalue")
        middle = seeds(axes, steps, values, DATA[name], *STYLES[name])
        top, last = int(middle.argmax()), max(last, float(steps[-1]))
        if steps[top] > 0:
            axes.plot(steps[top:], middle[top] * steps[top] / steps[top:], ":", color=GREY, linewidth=1)
        peak = f"{middle[top]:.3g} at step {steps[top]:.0f}"
        said.append(f"{DATA[name]} {span(values[:, 0])} at step 0, {peak}, {span(values[:, -1])} at the end")
    from_step_0(axes, last)
    axes.set(ylabel="largest eigenvalue", ylim=(0, None))
    legend(axes)
    return f"Largest eigenvalue: {'; '.join(said)}."

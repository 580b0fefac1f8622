"""Faults of optax."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import optax

from mutants.museum.injections.patching import instead_of


def schedule_a_step_ahead() -> None:
    """A schedule is asked for the step after the one that is taken."""
    original = optax.cosine_decay_schedule

    @instead_of(original, "optax")
    def ahead(*arguments: Any, **options: Any) -> Any:
        schedule = original(*arguments, **options)
        return lambda count: schedule(count + 1)


def momentum_in_half_precision() -> None:
    """Momentum is accumulated in bfloat16."""
    original = optax.trace

    @instead_of(original, "optax")
    def coarse(*arguments: Any, **options: Any) -> Any:
        return original(*arguments, **{**options, "accumulator_dtype": jnp.bfloat16})


def momentum_forgotten() -> None:
    """Momentum is set to zero before every step, so that none is carried from one to the next."""
    original = optax.trace

    @instead_of(original, "optax")
    def forgetful(*arguments: Any, **options: Any) -> Any:
        rule = original(*arguments, **options)

        def update(gradient: Any, state: Any, params: Any = None) -> Any:
            return rule.update(gradient, jax.tree.map(jnp.zeros_like, state), params)

        return optax.GradientTransformation(rule.init, update)

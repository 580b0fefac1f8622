"""JAX is imported before any of these tests: pytester forgets the modules that a session inside this process has imported, and
JAX does not survive being imported twice."""

import jax  # noqa: F401

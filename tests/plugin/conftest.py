"""JAX is imported before these tests. pytester forgets the modules that a session inside this process imported, and JAX cannot
be imported twice."""

import jax  # noqa: F401

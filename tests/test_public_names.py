"""The package's public names: each can be imported, and errors name the extra that is missing."""

import subprocess
import sys

import pytest

import harness


@pytest.mark.parametrize("name", harness.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(harness, name) is not None
    assert name in dir(harness)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Nowhere'"):
        harness.Nowhere  # noqa: B018


def test_importing_the_package_imports_nothing_heavy():
    code = "import harness, sys; sys.exit(bool({'jax', 'numpy', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_missing_extra_is_named():
    code = "import sys; sys.modules['filelock'] = None\nfrom harness import Store"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert 'Store needs filelock, which is not installed: pip install "training-jacobian-claims[claims]"' in done.stderr

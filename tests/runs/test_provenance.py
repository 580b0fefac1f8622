"""The store's key covers all code that decides a number: a module that cannot be found raises, and none is left out."""

import contextlib
import functools
import importlib
import importlib.machinery
import sys
import types

import pytest

from harness.errors import InvalidInput
from harness.runs import provenance


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Write modules of a user's own, import the first one, hash it afresh."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known = set(sys.modules)

    def write(name: str, /, **sources: str) -> types.ModuleType:
        """Module ``name``, after its sources were written, a package's by their names in it; imported again if it was before."""
        folder = tmp_path / name.rpartition(".")[0].replace(".", "/")
        folder.mkdir(exist_ok=True)
        for module, source in sources.items():
            (folder / f"{module}.py").write_text(source)
        importlib.invalidate_caches()
        imported = set(sys.modules) - known
        for other in sorted(
            imported if "__init__" in sources else {one for one in imported if one.rpartition(".")[2] in sources}
        ):
            with contextlib.suppress(ImportError):  # of what is left out on purpose
                importlib.reload(sys.modules[other])
        return sys.modules.get(name) or importlib.import_module(name)

    yield write
    provenance._find_spec.cache_clear()
    for name in set(sys.modules) - known:
        del sys.modules[name]


def hashed(*code):
    return provenance.code_hash(code)


def test_an_edited_module_of_a_user_is_another_key(own):
    module = own("mynet", mynet="import mylayers\n", mylayers="slope = 0.1\n")
    before = hashed(module)
    own("mynet", mynet="import mylayers\n", mylayers="slope = 0.2\n")
    assert hashed(module) != before


@pytest.mark.parametrize(
    "way",
    ["from . import layers", "from .layers import slope", "import mine.layers", "def f():\n    from .layers import slope"],
)
def test_every_way_of_importing_is_followed(own, way):
    module = own("mine.net", __init__="", net=f"{way}\n", layers="slope = 0.1\n")
    before = hashed(module)
    own("mine.net", layers="slope = 0.2\n")
    assert hashed(module) != before


def test_a_function_stands_for_its_module(own):
    module = own("mynet", mynet="import functools\ndef f(): return 1\npartial = functools.partial(f)\nclass Net:\n    pass\n")
    assert hashed(module.f) == hashed(module.partial) == hashed(module.Net) == hashed(module)


def test_an_import_that_cannot_be_found_raises(own):
    module = own("mynet", mynet="")
    own("mynet", mynet="import mylayers_of_old\n")
    with pytest.raises(InvalidInput, match="mynet imports mylayers_of_old, which cannot be found"):
        hashed(module)


def test_a_renamed_module_of_the_harness_raises(own):
    module = own("mynet", mynet="")
    own("mynet", mynet="from harness.no_such_module import x\n")
    with pytest.raises(InvalidInput, match=r"harness\.no_such_module, which cannot be found"):
        hashed(module)


def test_a_renamed_carrier_raises(monkeypatch):
    monkeypatch.setattr(provenance, "CARRIERS", ("harness.no_such_carrier",))
    with pytest.raises(InvalidInput, match="no_such_carrier"):
        hashed(provenance)


def test_an_optional_library_may_be_missing(own):
    module = own("mynet", mynet="try:\n    import no_such_library\nexcept ImportError:\n    pass\n")
    assert hashed(module)


def test_code_without_a_file_raises():
    module = types.ModuleType("typed_in")
    for ask in (hashed, provenance.source_hash):
        with pytest.raises(InvalidInput, match="typed_in has no source file"):
            ask(module)


def test_a_name_is_no_module():
    with pytest.raises(InvalidInput, match="belongs to no imported module"):
        hashed("harness.errors")


def test_libraries_are_left_to_their_versions(own):
    module = own("mynet", mynet="import os\nimport numpy as np\nimport pytest\nfrom scipy import linalg\n")
    assert set(provenance._closure([module]).sources) == {"mynet"}
    assert provenance.versions([module])["pytest"] == pytest.__version__
    assert "pytest" not in provenance.versions()


@pytest.mark.parametrize(("files", "top"), [({"aside/__init__.py": ""}, "aside"), ({"alone.py": ""}, "alone")])
@pytest.mark.parametrize("recorded", ["by an installer", "as sources", ""])
def test_a_library_in_a_folder_of_its_own_is_told_by_its_record(own, tmp_path, monkeypatch, files, top, recorded):
    """As pip install --target leaves it. Without that record the package is the user's own code, also in a project under work."""
    folder = tmp_path / "target"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    if recorded == "as sources":
        (folder / "planted.egg-info").mkdir()
        (folder / "planted.egg-info" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        (folder / "planted.egg-info" / "SOURCES.txt").write_text("\n".join(files))
    elif recorded:
        (folder / "planted-1.0.dist-info").mkdir()
        (folder / "planted-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        (folder / "planted-1.0.dist-info" / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    monkeypatch.syspath_prepend(str(folder))
    provenance._distributions.cache_clear()
    module = own("mynet", mynet=f"import {top}\n")
    assert set(provenance._closure([module]).sources) == ({"mynet"} if recorded == "by an installer" else {"mynet", top})
    assert provenance.versions([module]).get("planted") == ("1.0" if recorded == "by an installer" else None)
    provenance._distributions.cache_clear()
    provenance.version.cache_clear()


def test_the_name_of_a_compiled_module_is_its_first_part():
    assert provenance._top("alone.cpython-311-x86_64-linux-gnu.so") == provenance._top("alone.py") == provenance._top("alone")


def test_another_name_of_the_package_gives_the_same_hash(own):
    """Also where the order of the names changes against that of what it imports."""
    sources = {"net": "from . import layers\nimport harness.errors\nimport harness.suite.verdict\n", "layers": "slope = 0.1\n"}
    one, other = (own(f"{package}.net", __init__="", **sources) for package in ("a_paper", "z_paper"))
    assert one.__name__ != other.__name__
    assert hashed(one) == hashed(other)


def test_a_package_counts_with_its_module(own):
    module = own("mine.net", __init__="slope = 0.1\n", net="")
    importer = own("user", user="import mine.net\n")
    before = hashed(importer)
    own("mine.net", __init__="slope = 0.2\n")
    assert hashed(importer) != before
    assert hashed(module)


def test_a_compiled_extension_counts_by_its_bytes(own, tmp_path):
    module = own("mynet", mynet="")
    extension = tmp_path / "extension.so"
    extension.write_bytes(b"\xff\xfe")
    spec = importlib.machinery.ModuleSpec("extension", None, origin=str(extension))
    spec.has_location = True
    compiled = types.ModuleType("extension")
    compiled.__spec__ = spec
    before = hashed(module, compiled)
    assert before != hashed(module)


def test_the_numbers_of_a_run_rest_on_the_code_that_makes_them():
    from claims.training_jacobian import run as training_run

    closure = set(provenance._closure([functools.partial(training_run.decompose), *training_run.SPECTRUM_CODE]).sources)
    assert {"harness.engine.training", "harness.engine.jacobian", "harness.engine.spectrum", "harness.engine.streams"} <= closure
    assert not closure & set(provenance.CARRIERS)

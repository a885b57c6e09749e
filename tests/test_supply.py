"""The lock file of published numbers, and the list of what is installed."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def locked() -> dict[str, str]:
    """Name -> version of ``requirements.lock``; every entry must be one version with hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = {}
    for line in lines:
        one, *hashes = line.split(" --hash=sha256:")
        requirement = Requirement(one.strip())
        (specifier,) = requirement.specifier
        assert specifier.operator == "==" and hashes and all(re.fullmatch(r"[0-9a-f]{64}", h.strip()) for h in hashes)
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


def test_the_lock_covers_what_published_numbers_need():
    """The core and the extras of runs, calibrations and figures, each within the bounds of pyproject.toml."""
    project, versions = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"], locked()
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["plots"], *extras["calibration"], *extras["distributed"]]
    for requirement in map(Requirement, wanted):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None and requirement.specifier.contains(version), requirement
    assert {"scipy", "cftime", "pandas"} <= set(versions)  # and what these need


def test_the_list_of_what_is_installed(tmp_path):
    """SPDX 2.3 as JSON: every package once with version and licence, jtem and what it depends on among them."""
    made = tmp_path / "sbom.spdx.json"
    subprocess.run([sys.executable, str(ROOT / ".ci" / "sbom"), str(made)], check=True)
    document = json.loads(made.read_text(encoding="utf-8"))
    assert document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
    packages = {p["name"]: p for p in document["packages"]}
    identifiers = [p["SPDXID"] for p in document["packages"]]
    assert len(set(identifiers)) == len(identifiers) and all(
        re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", i) for i in identifiers
    )
    for name in ("jtem", "jax", "jaxlib", "equinox", "optax", "xarray", "netCDF4", "numpy"):
        assert packages[name]["versionInfo"] == importlib.metadata.version(name)
    needs = {
        (r["spdxElementId"], r["relatedSpdxElement"])
        for r in document["relationships"]
        if r["relationshipType"] == "DEPENDS_ON"
    }
    assert (packages["jtem"]["SPDXID"], packages["jax"]["SPDXID"]) in needs
    assert {e for pair in needs for e in pair} <= set(identifiers)
    assert packages["jtem"]["licenseDeclared"] == "MIT"

"""What the guides tell to type: commands parse and calls fit their signatures; with ``-m slow`` the guides are run."""

import ast
import inspect
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jtem
from front import places
from jtem.commands.main import main, parser
from jtem.front import calibration

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = ("tutorial", "first_site", "own_region", "calibrate_my_tower", "which_parameters_matter")
"""Guides that are run, in order, each in a folder of its own."""


def blocks(path):
    """(language, code) of each fenced block."""
    return re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(code):
    """Words of each line that calls jtem; a line may go on behind a backslash."""
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words and words[0] == "jtem":
            yield words[1:]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_of_the_documents_exist(path, capsys):
    for language, code in blocks(path):
        for words in commands(code) if language in ("sh", "console", "bash", "shell") else ():
            try:
                parser().parse_args(words)
            except SystemExit:
                pytest.fail(f"{path.name}: jtem {' '.join(words)}: {capsys.readouterr().err}")


def calls(code):
    """Calls of the public interface: what is called, and how many arguments and which keywords it gets."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name, owner = node.func.attr, node.func.value
            words = [word.arg for word in node.keywords]
            if isinstance(owner, ast.Name) and owner.id == "jtem":
                yield getattr(jtem, name), len(node.args), words
            elif name in vars(jtem.Model) and not name.startswith("_"):
                yield getattr(jtem.Model, name), len(node.args) + 1, words  # and self


OTHERS = {
    "calibrate": (calibration.fit, jtem.Model.run),
    "sensitivity": (jtem.Model.run, jtem.Model.gradient),
    "gradient": (jtem.Model.run,),
    "ensemble": (jtem.Model.run,),
}
"""Where the further keywords of a method go."""


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_python_of_the_documents_fits_the_interface(path):
    for language, code in blocks(path):
        if language != "python":
            continue
        for function, count, words in calls(code):
            given = inspect.signature(function).parameters
            inspect.signature(function).bind(*[None] * count, **dict.fromkeys(word for word in words if word))
            if function.__name__ in OTHERS:
                known = {name for part in OTHERS[function.__name__] for name in inspect.signature(part).parameters}
                assert {word for word in words if word not in given} <= known, (
                    f"{path.name}: {function.__name__} {words}"
                )
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "jtem":
                assert node.attr in jtem.__all__, f"{path.name}: jtem.{node.attr}"
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jtem":
                namespace = {}
                exec(compile(ast.Module([node], []), path.name, "exec"), namespace)


def test_files_that_a_change_touches_are_there():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("## Three ways through the house")[1]
    named = [
        name
        for name in re.findall(r"`([\w/]+\.(?:py|toml|csv))`", text)
        if "NAME" not in name and name != "calibrated.toml"
    ]
    assert len(named) > 25
    known = {path.relative_to(ROOT / "src" / "jtem").as_posix() for path in (ROOT / "src" / "jtem").rglob("*.py")}
    for name in sorted(named):
        assert (ROOT / name).is_file() or any(path.endswith(name) for path in known), name


# --- the guides, run ------------------------------------------------------------------------------------------------------


def tower(first, last):
    """``tower.csv``."""
    places.written(places.months(first, last), Path())


def measured():
    """``tower.csv``, and ``observed.csv`` as the guide's model with denser snow would measure it."""
    tower(1990, 2010)
    model = jtem.Model(jtem.site("tower.csv", **places.PLACE), permafrost="layered")
    monthly = model.with_parameters({"soil_thermal.snow_density": 230}).run(years=(1990, 2010)).monthly
    monthly = monthly.sel(time=slice("2004", "2010"))
    ground = monthly["tsl"].sel(depth=[0.15, 0.35], method="nearest").values - 273.15
    pd.DataFrame(
        {
            "year": np.repeat(np.arange(2004, 2011), 12),
            "month": np.tile(np.arange(1, 13), 7),
            "nep (gC m-2 month-1)": monthly["nep"].values * 1e3 * 86400 * 365 / 12,
            "soil_temperature_0.15m (degC)": ground[:, 0],
            "soil_temperature_0.35m (degC)": ground[:, 1],
        }
    ).to_csv("observed.csv", index=False)


BEFORE = {
    "first_site": lambda: tower(1990, 2009),
    "own_region": lambda: places.region(Path(), 1979, 2014),
    "calibrate_my_tower": measured,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN)
def test_a_guide_is_run(name, tmp_path, monkeypatch, capsys):
    """Every block of Python and every command, in order, in one folder; nothing else is there."""
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    BEFORE.get(name, lambda: None)()
    namespace = {"__name__": name}
    count = 0
    for language, code in blocks(ROOT / "docs" / f"{name}.md"):
        if language == "python":
            exec(compile(code, f"{name}.md", "exec"), namespace)
            count += 1
        for words in commands(code) if language == "sh" else ():
            assert main(words) == 0, f"jtem {' '.join(words)}: {capsys.readouterr().err}"
            count += 1
    assert count > 0
    if name == "tutorial":
        assert (tmp_path / "tower" / "overview.png").stat().st_size > 50_000

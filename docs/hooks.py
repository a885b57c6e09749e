"""Pages made from the code when the site is built: variables, parameters, equations, modules, notebooks, and the menu.

Notebooks are shown with the results that lie in ``build/notebooks``, as long as they were made from the same text. ``JTEM_EXECUTE=1
mkdocs build --strict`` executes those that lack them first (minutes on two cores); without it their pages say so.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import logging
import os
import re
from html import unescape
from pathlib import Path

import rendering
from mkdocs.structure.files import File

LOG = logging.getLogger("mkdocs.hooks")
ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "jtem"
WITHOUT_RESULTS = (
    "!!! note\n    Code without results: this site was built without executing the notebooks "
    "(`JTEM_EXECUTE=1 mkdocs build --strict` executes them)."
)
GUIDES = {
    "Tutorial: ten minutes": "tutorial.md",
    "First site": "first_site.md",
    "Own region": "own_region.md",
    "Calibrate my tower": "calibrate_my_tower.md",
    "Which parameters matter": "which_parameters_matter.md",
    "The model in equations": "model.md",
    "Architecture": "architecture.md",
    "Preparing data": "preparing_data.md",
    "Emulated climate": "climate_emulator.md",
    "Equilibrium": "equilibrium.md",
    "Gradients": "gradients.md",
    "Sensitivity": "sensitivity.md",
    "Validation": "validation.md",
    "Performance": "performance.md",
    "Decisions": "decisions.md",
}


def modules() -> dict[str, Path]:
    """``jtem.physics.water`` and so on, with their files."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        name = ".".join(("jtem", *path.relative_to(SOURCE).with_suffix("").parts))
        if path.name != "__init__.py":
            found[name] = path
    return found


def on_config(config):
    """The menu: guides as they are, then what is generated."""
    guides = dict(GUIDES)
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name not in guides.values() and path.name != "index.md":
            guides[path.stem.replace("_", " ").capitalize()] = path.name
    rooms: dict[str, list] = {}
    for name in modules():
        parts = name.split(".")
        rooms.setdefault(parts[1] if len(parts) > 2 else "model and commands", []).append({name: f"modules/{name}.md"})
    config.nav = [
        {"jtem": "index.md"},
        {"Notebooks": [{title(path): f"notebooks/{path.stem}.md"} for path in rendering.notebooks()]},
        {"Guides": [{text: page} for text, page in guides.items() if (ROOT / "docs" / page).exists()]},
        {
            "Reference": [
                {"Equations": "reference/equations.md"},
                {"Parameters": "reference/parameters.md"},
                {"Output variables": "reference/variables.md"},
                {"Plan of a run": "reference/plan_run.md"},
                {"Plan of a calibration": "reference/plan_calibration.md"},
            ]
        },
        {"Modules": [{room: pages} for room, pages in rooms.items()]},
    ]
    return config


def on_files(files, config):
    """Add the generated pages."""
    for name, content in pages().items():
        files.append(File.generated(config, name, content=content))
    return files


def pages() -> dict[str, str | bytes]:
    """All generated files by their path in the site."""
    made: dict[str, str | bytes] = {
        "index.md": index(),
        "reference/equations.md": equations(),
        "reference/parameters.md": parameters(),
        "reference/variables.md": variables(),
        "reference/plan_run.md": plan_keys("run"),
        "reference/plan_calibration.md": plan_keys("calibration"),
    }
    for name in modules():
        made[f"modules/{name}.md"] = f"# {name}\n\n::: {name}\n    options:\n      show_root_heading: false\n"
    for path in rendering.notebooks():
        made |= notebook(path)
    return made


def index() -> str:
    """The README, with its links to documents turned into links of the site."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](")
    return re.sub(r"\]\((?!https?:|#|figures/)(?!\w+\.md)[^)]*\)", "]", text).replace("[]", "")


def printed(*arguments: str) -> str:
    """What a command of jtem prints."""
    from jtem.commands.main import main

    stream = io.StringIO()
    with contextlib.redirect_stdout(stream):
        main(arguments)
    return stream.getvalue()


def parameters() -> str:
    """The parameter table with unit, bounds, meaning and source."""
    return (
        "# Parameters\n\nMade from the declarations beside the equations and `data/parameters/defaults.toml`; values over all "
        "communities. `jtem parameters --community NAME` prints one community's.\n\n"
        + printed("parameters", "--markdown")
    )


def variables() -> str:
    """The table of output variables."""
    return "# Output variables\n\nMade from `data/variables.csv`.\n\n" + printed("variables", "--markdown")


def plan_keys(word: str) -> str:
    """Every section and key of a plan file, from the declarations that check it."""
    from jtem.plan import schema

    return (
        f"# Plan of a {word}\n\nMade from the declarations that check a plan. `jtem schema {word}` prints the same as a JSON "
        "schema, with which editors complete and check; `jtem new` writes a commented plan to begin with.\n\n"
        + schema.markdown(word)
    )


def equations() -> str:
    """Every function of the physics with what its docstring says, linked to its page (text, parameters, source code)."""
    lines = ["# Equations", "", "Each name leads to the function: equation, units, source and the code itself.", ""]
    for name, path in modules().items():
        if not name.startswith("jtem.physics."):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        title = ": ".join(name.removeprefix("jtem.physics.").split(".")).replace("_", " ")
        lines += [f"## {title.capitalize()}", "", one_line(ast.get_docstring(tree)), ""]
        lines += ["| function | what it says |", "| --- | --- |"]
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                said = one_line(ast.get_docstring(node)).replace("|", "\\|")
                lines.append(f"| [`{node.name}`](../modules/{name}.md#{name}.{node.name}) | {said} |")
        lines.append("")
    return "\n".join(lines)


def one_line(docstring: str | None) -> str:
    """The first paragraph of a docstring as one line of Markdown."""
    first = (docstring or "").split("\n\n")[0]
    return plain_roles(" ".join(first.split())).replace("``", "`")


def plain_roles(text: str) -> str:
    """``:func:`x` `` as code."""
    return re.sub(r":(?:func|class|data|meth|mod):", "", text)


def title(path: Path) -> str:
    """The heading of a notebook."""
    found = re.search(r"^# # (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return found.group(1) if found else path.stem


def notebook(path: Path) -> dict[str, str | bytes]:
    """A notebook as a page and its pictures, with its results where they are there (or ``JTEM_EXECUTE`` asks for them)."""
    book = rendering.executed(path)
    if book is None and os.environ.get("JTEM_EXECUTE"):
        LOG.info(f"executing {path.name} ...")
        book = rendering.execute(path, rendering.KEPT)
    shown = book is not None
    book = book or rendering.read(path)
    made: dict[str, str | bytes] = {}
    lines: list[str] = []
    for number, cell in enumerate(book.cells):
        if cell.cell_type == "markdown":
            lines += [cell.source, ""]
            continue
        lines += ["```python", cell.source, "```", ""]
        for k, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{path.stem}_{number}_{k}.png"
                made[f"notebooks/{name}"] = base64.b64decode(data["image/png"])
                lines += [f"![result of the cell above]({name})", ""]
            else:
                text = "".join(output.get("text", "") or data.get("text/plain", ""))
                if text and output.get("name") != "stderr":
                    lines += ["```text", text.rstrip(), "```", ""]
    if not shown:
        first = next(k for k, line in enumerate(lines) if line.startswith("# "))
        lines[first] += "\n\n" + WITHOUT_RESULTS
    lines += [f"*Source: `notebooks/{path.name}`, a text notebook (jupytext).*", ""]
    made[f"notebooks/{path.stem}.md"] = "\n".join(lines)
    return made


def on_page_content(html, page, config, files):
    """Sphinx roles of the docstrings as plain code, formulas as MathML."""
    del page, config, files
    return FORMULA.sub(mathml, plain_roles(html))


FORMULA = re.compile(r'<(span|div) class="arithmatex">\\([(\[])(.*?)\\[)\]]</\1>', re.DOTALL)
"""A formula as pymdownx.arithmatex leaves it."""


def mathml(found: re.Match) -> str:
    """One formula; what latex2mathml cannot read is an error, not text on the page."""
    from latex2mathml.converter import convert

    return convert(unescape(found[3]), display="block" if found[2] == "[" else "inline")

"""Place and sensors of a flux tower from the metadata that comes with its data (BADM interchange format).

Long tables with the columns SITE_ID, GROUP_ID, VARIABLE_GROUP, VARIABLE, DATAVALUE: one row a fact, facts of one GROUP_ID
belong together (AmeriFlux, BADM data product; used alike by ICOS in ``_SITEINFO_`` and ``_VARINFO_`` files and by the
FLUXNET releases of 2025-26 in ``_BIF_`` and ``_BIFVARINFO_`` files). Heights are m above the ground, negative below it
(AmeriFlux, measurement height page); AmeriFlux BASE has a table of its own for them: Site_ID, Variable, Start_Date, Height.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jtem.readers.release import ReleasedFile
from jtem.readers.tables import number


@dataclass(frozen=True)
class TowerFacts:
    """What is known of a tower beside its data.

    ``place``: latitude, longitude (degrees), elevation (m), as far as stated. ``depths``: depth in m of sensors below the
    ground by variable. ``units``: by variable. ``notes``: sentences about what was left out.
    """

    place: Mapping[str, float] = field(default_factory=dict)
    depths: Mapping[str, float] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


LOCATION = {"LOCATION_LAT": "latitude", "LOCATION_LONG": "longitude", "LOCATION_ELEV": "elevation"}


def about(site: str, members: Sequence[ReleasedFile]) -> TowerFacts:
    """What the metadata among ``members`` say about ``site``; nothing where there are none. Raises ``InputError``."""
    place: dict[str, tuple[str, float]] = {}
    heights: dict[str, set[float]] = {}
    units: dict[str, str] = {}
    ours = [m for m in members if site in m.name]
    info = sorted((m for m in ours if "VARINFO" in m.name), key=lambda m: "_MM_" not in m.name)
    for member in [*info[:1], *(m for m in ours if any(w in m.name for w in ("_BIF_", "SITEINFO", "_BADM_")))]:
        for group in groups(member, site):
            date = group.get("LOCATION_DATE_START", group.get("LOCATION_DATE", ""))
            for name, what in LOCATION.items():
                if name in group and (what not in place or date >= place[what][0]):
                    place[what] = (date, number(group[name], f"{member.where}: {name}"))
            variable = group.get("VAR_INFO_VARNAME", "")
            if variable and group.get("VAR_INFO_UNIT"):
                units.setdefault(variable, group["VAR_INFO_UNIT"])
            if variable and group.get("VAR_INFO_HEIGHT"):
                heights.setdefault(variable, set()).add(
                    number(group["VAR_INFO_HEIGHT"], f"{member.where}: height of {variable}")
                )
    for member in members:
        if "measurementheight" in member.name.lower().replace("_", ""):
            for item in csv.DictReader(member.lines()):
                if item.get("Site_ID") == site and item.get("Variable") and item.get("Height"):
                    heights.setdefault(item["Variable"], set()).add(number(item["Height"], f"{member.where}: Height"))
    depths, notes = {}, []
    for variable, found in heights.items():
        known = {abs(height) for height in found if height == height}
        if variable.startswith("TS") and len(known) > 1:
            notes.append(
                f"{site}: {variable} lay at {' and '.join(f'{h:g}' for h in sorted(known))} m in turn; not read"
            )
        elif variable.startswith("TS") and known:
            depths[variable] = known.pop()
    return TowerFacts(
        {what: value for what, (_, value) in place.items() if value == value}, depths, units, tuple(notes)
    )


def groups(member: ReleasedFile, site: str) -> list[dict[str, str]]:
    """Facts of ``site`` by group: VARIABLE -> DATAVALUE. Lines of another number of fields (texts with stray commas) and
    tables of other columns give nothing.
    """
    found: dict[str, dict[str, str]] = {}
    reader = csv.DictReader(member.lines(), restkey="rest")
    if not {"GROUP_ID", "VARIABLE", "DATAVALUE"} <= set(reader.fieldnames or ()):
        return []
    for item in reader:
        if "rest" in item or None in item.values() or item.get("SITE_ID", site).strip() != site:
            continue
        found.setdefault(item["GROUP_ID"], {})[item["VARIABLE"].strip()] = item["DATAVALUE"].strip()
    return list(found.values())

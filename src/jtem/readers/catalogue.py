"""The words of plans for what readers read: which module serves each, and what it needs. No heavy import.

A new source of cells and climate is a file in this folder with a function ``open_domain`` and a row of :data:`SOURCES`; a
new table of observations is a function of one argument, the path, and a row of :data:`OBSERVATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

ClimateSource = Callable[["np.ndarray", int, int], "xr.Dataset"]
"""Cell indices, first and last year -> climate dataset (cell, year, month) of those cells (``docs/architecture.md``)."""


Find = Callable[..., Path]
"""(name, folder=False, here=False) -> path of an input of a plan, of the current folder first if it may lie ``here``; raises
``InputError`` where it is absent.
"""


@dataclass(frozen=True)
class Domain:
    """Cells and their climate.

    ``cells``: cell dataset (``docs/architecture.md``). ``source``: a climate's name to where it comes from and what errors
    call it. ``inputs``: what was read, for files. ``stored``: the climates were checked when they were stored. ``title``: what
    titles of figures and files say about the climate, "" where it is the user's. ``files``: what was read before a plan named it.
    ``documented``: units of the climate are fixed by the source's own documentation.
    """

    cells: xr.Dataset
    source: Callable[[str], tuple[ClimateSource, str]]
    inputs: tuple[str, ...]
    stored: bool = False
    title: str = ""
    files: tuple[Path, ...] = ()
    documented: bool = False


@dataclass(frozen=True)
class Source:
    """A source of cells and their climate.

    ``module``: has ``open_domain(find, climates, *, ...) -> Domain``; the keys of [domain] that it ``takes`` are given by name,
    ``climates`` are the names that the plan uses. "": a store, which ``jtem prepare`` makes. ``needs``: keys that must be
    given, and what they are. ``sun``: the model's light at the top of the atmosphere is given too, latitude (cell,) ->
    (cell, 12) W m-2.
    """

    text: str
    module: str = ""
    takes: tuple[str, ...] = ()
    needs: tuple[tuple[str, str], ...] = ()
    sun: bool = False


FIXED_FIELDS = (("static", "the file of elevation, texture and vegetation"), ("climate", "the files of each climate"))
POSITION = ("latitude", "longitude", "elevation", "community", "texture", "soil_organic_carbon", "static")
SOURCES = {
    "embedded": Source(
        "emulated climate of embedded domains and sites, or of one place by its latitude and longitude",
        "emulated",
        ("domain", "sites", "stride", *POSITION),
    ),
    "table": Source(
        "one site with the climate of a table of the user: CSV or netCDF of months, days or half-hours",
        "place",
        ("climate", "names", "units", "fill", "co2", "co2_column", *POSITION),
        (("climate", "the table of each climate"), ("latitude", "degrees"), ("longitude", "degrees")),
        sun=True,
    ),
    "toolik": Source(
        "the 100 cells around Toolik of the data folder",
        "toolik",
        ("static", "climate", "names", "co2", "co2_column", "stride"),
        FIXED_FIELDS,
    ),
    "cf_monthly": Source(
        "monthly, daily or finer CF netCDF files of the user",
        "cf_monthly",
        ("static", "climate", "names", "layout", "stamp", "units", "community", "co2", "co2_column", "stride"),
        FIXED_FIELDS,
        sun=True,
    ),
    "climate_grid": Source(
        "real half-degree fields of the data folder",
        "climate_grid",
        ("domain", "climate", "subdivide", "soil_carbon", "stride"),
    ),
    "isimip": Source(
        "raw ISIMIP files named in [prepare], through the store that 'jtem prepare' makes",
        takes=("domain", "climate", "static", "subdivide", "soil_carbon", "co2", "co2_column", "stride"),
    ),
    "prepared": Source(
        "the store of [prepare]",
        takes=("domain", "climate", "static", "subdivide", "soil_carbon", "co2", "co2_column", "stride"),
    ),
}
"""Words of [domain] source."""


@dataclass(frozen=True)
class ObservationsLayout:
    """A layout of observations. ``function``: "module:function" of this folder. ``climate``: where that of its sites comes from
    where a plan does not say. ``folder``: what is read is a folder, and its name where a plan gives none.
    """

    text: str
    function: str
    climate: str = "climate_grid"
    folder: str = ""
    towers: bool = False


OBSERVATIONS = {
    "flux_sites": ObservationsLayout(
        "towers of a folder with flux_sites.csv", "towers:flux_sites", "tower", "flux_sites", towers=True
    ),
    "fluxnet": ObservationsLayout(
        "a monthly file, folder or zip of a FLUXNET release, or AmeriFlux BASE",
        "fluxnet:read_release",
        "tower",
        towers=True,
    ),
    "alaska": ObservationsLayout("permafrost stations of Alaska", "ground:alaska"),
    "plateau": ObservationsLayout("soil temperature of the Tibetan Plateau", "ground:plateau"),
    "toolik": ObservationsLayout("soil temperature at Toolik", "ground:toolik"),
    "boreholes": ObservationsLayout("ground temperature with a column a depth", "ground:boreholes"),
    "active_layer": ObservationsLayout("active layers by year", "ground:active_layer"),
    "calibration_targets": ObservationsLayout("long-term means by community", "pools:calibration_targets"),
    "embedded": ObservationsLayout(
        "a table or netCDF file of the user, at embedded sites", "observed_netcdf:read_table", "embedded"
    ),
    "table": ObservationsLayout("a table or netCDF file of the user", "observed_netcdf:read_table"),
    "published": ObservationsLayout("numbers that a paper prints, of the factorial of the run plan in path", ""),
}
"""Words of [[data]] source in a calibration plan."""

SITE_CLIMATES = {
    "tower": "the tower's own forcing, other years moved by anomalies",
    "climate_grid": "the nearest half-degree cell of the data folder",
    "embedded": "emulated climate of embedded sites",
    "domain": "the nearest cell of [domain]",
}
"""Words of [[data]] climate in a calibration plan."""

LAYOUTS = ("cmip6", "cesm", "era5", "cru_ts", "crujra", "gswp3_w5e5", "wfde5", "terraclimate", "chelsa", "daymet")
"""Words of [domain] layout; what they mean is in ``layouts``. Without one: tas, pr and rsds, or what names tell."""

STAMPS = ("start", "middle", "end")
"""Words of [domain] stamp: what a stamp between two months means, where no bounds tell."""

SOIL_CARBON = ("rule", "statistics", "topsoil")
VEGETATION_KINDS = ("tem", "communities", "biome4", "fractions")

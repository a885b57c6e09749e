"""Where a model runs: one site or a region, with climate and soil, read and checked before anything is computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from jtem.errors import InputError, suggest
from jtem.files import in_memory

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from jtem.front.plans import Content
    from jtem.readers.catalogue import Domain
    from jtem.readers.place import Position

Number = float | int | np.floating | np.integer
"""What counts as a number in an argument."""

Table: TypeAlias = "str | Path | pd.DataFrame | xr.Dataset"
"""What a table comes in: a path, or in memory."""

EMULATED = "historical+ssp126"
"""Emulated climate of known sites: history to 2014, then a scenario."""
EMULATED_YEARS = (1850, 2100)


@dataclass(frozen=True)
class Place:
    """Cells with their climate, checked; made by :func:`site` and :func:`region`.

    ``cells``: dataset on ``cell`` (latitude, longitude, elevation, texture, communities, soil carbon). ``climate``: name of its
    own climate; ``first_year``, ``last_year``: what that covers. ``inputs``: where everything comes from, in words. ``section``:
    the same place as a plan's [domain]. A site is a place of one cell.
    """

    name: str
    domain: Domain
    climate: str
    first_year: int
    last_year: int
    section: Mapping[str, object] = dataclasses.field(repr=False)
    is_site: bool = True
    emulated: bool = False

    @property
    def cells(self) -> xr.Dataset:
        """Dataset on ``cell``."""
        return self.domain.cells

    @property
    def inputs(self) -> tuple[str, ...]:
        """Where everything comes from, in words."""
        return self.domain.inputs

    @property
    def years(self) -> tuple[int, int]:
        """First and last year of its climate."""
        return self.first_year, self.last_year

    def climate_dataset(self, first: int | None = None, last: int | None = None) -> xr.Dataset:
        """Monthly climate as the model sees it: air_temperature (degC), precipitation (mm month-1), shortwave_radiation (W m-2),
        each (cell, year, month), and co2 (ppm) by year. Raises ``InputError`` for years it has not.
        """
        source, _ = self.domain.source(self.climate)
        rows = np.arange(self.cells.sizes["cell"])
        return source(rows, self.first_year if first is None else first, self.last_year if last is None else last)

    def __repr__(self) -> str:
        """What it is, in two lines."""
        count = self.cells.sizes["cell"]
        what = "site" if self.is_site else f"region of {count} cells"
        names = sorted({str(n) for n in self.cells["community"].values.ravel()} - {""})
        return f"<jtem {what} '{self.name}': {', '.join(names)}; {self.first_year}-{self.last_year}\n  {'; '.join(self.inputs)}>"


def site(
    table: Table | None = None,
    *,
    latitude: Number | None = None,
    longitude: Number | None = None,
    elevation: Number | None = None,
    community: str = "",
    name: str = "",
    names: Mapping[str, str] | None = None,
    units: Mapping[str, str] | None = None,
    years: Sequence[int] | None = None,
    texture: Sequence[Number] = (),
    silt_clay: Number | None = None,
    soil_organic_carbon: Sequence[Number] = (),
    static: str | Path | None = None,
    co2: str | Path | Number | Mapping[int, Number] | None = None,
    scenario: str = "",
    coverage: Number = 0.8,
    fill: str = "",
) -> Place:
    """One site: the climate of a table, a known site by its name, or any place of the embedded fields.

    ``table``: a CSV path, pandas DataFrame, xarray Dataset or netCDF path with air temperature, precipitation and shortwave
    radiation (or cloudiness) of months, days or half-hours (:func:`jtem.readers.site_table.read` says how columns, units,
    ``names``, ``units``, ``years``, ``coverage`` and ``fill`` work); the name of a known site ("US-Prr"; emulated climate); or
    nothing, for the emulated climate of ``latitude`` and ``longitude`` (degrees).

    ``elevation`` (m), ``community`` (a row of ``jtem parameters``), ``texture`` (sand, silt, clay in percent, or ``silt_clay``
    alone), ``soil_organic_carbon`` (kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m): where they are not given they come from ``static``, a
    CF file of fixed fields, else from a stated default that ``inputs`` names. ``co2``: ppm, ppm by year, or a table of year and
    ppm; by default the table's own column, else the embedded published series. ``scenario``: emulated climate after 2014
    ("ssp126" where none is named).

    Raises ``InputError``, one sentence, for whatever is missing or impossible.

    >>> place = site("US-Prr")
    >>> place.climate, place.years, place.emulated
    ('historical+ssp126', (1850, 2100), True)
    """
    _check_numbers({"latitude": latitude, "longitude": longitude, "elevation": elevation, "silt_clay": silt_clay})
    _check_several({"texture": texture, "soil_organic_carbon": soil_organic_carbon})
    texture = texture if silt_clay is None else _texture_of(silt_clay)
    if isinstance(table, str) and not _is_path(table):
        _no_place_for_known_site(table, latitude, longitude)
        given = (elevation, names, units, years, texture, static, soil_organic_carbon, co2, fill)
        _leave_out(table, dict(zip(_KNOWN_OF_SITES, given, strict=True)))
        return _known(table, community, scenario)
    if isinstance(table, str | Path):
        _need_table(Path(table))
    from jtem.readers import place as places

    if latitude is None or longitude is None:
        where = str(table) if isinstance(table, str | Path) else "the site"
        raise InputError(f"{where}: {'latitude' if latitude is None else 'longitude'} is missing; give it in degrees")
    position = places.Position(
        float(latitude), float(longitude), None if elevation is None else float(elevation), community,
        tuple(float(v) for v in texture), tuple(float(v) for v in soil_organic_carbon),
        Path(static) if static is not None else None, name or (Path(table).stem if isinstance(table, str | Path) else "site"),
    )  # fmt: skip
    section = _section(position)
    if table is None:
        return _anywhere(position, scenario, section)
    from jtem.readers import site_table

    where = str(table) if isinstance(table, str | Path) else ""
    read = site_table.read(
        table, names=names, units=units, years=years, coverage=float(coverage), fill=fill, where=where
    )
    label = where or read.title
    _known_community(community, label)
    series, said = places.carbon_dioxide_of(co2, "", Path, label)
    domain = places.table_domain({"historical": read}, position, sun, label, series)
    read_from = [table, static, None if co2 in (None, "embedded") else co2]
    domain = dataclasses.replace(domain, inputs=(*domain.inputs, *said), files=_files(read_from))
    section |= {"source": "table", "climate": {"historical": [where or f"({read.title})"]}}
    section |= {"names": dict(names)} if names else {}
    section |= {"units": dict(units)} if units else {}
    section |= {"fill": fill} if fill else {}
    section |= {"co2": str(co2)} if isinstance(co2, str | Path) else {}
    return Place(position.name, domain, "historical", int(read.years[0]), int(read.years[-1]), section)


def _need_table(path: Path) -> None:
    if not path.exists():
        near = [other.name for other in path.parent.glob(f"*{path.suffix}")]
        raise InputError(f"{path}: table not found; {suggest(path.name, near) if near else 'check the path'}")


def _section(position: Position) -> dict[str, object]:
    """What a plan's [domain] says of a position."""
    said = {
        "latitude": position.latitude, "longitude": position.longitude, "elevation": position.elevation,
        "community": position.community, "texture": list(position.texture),
        "soil_organic_carbon": list(position.soil_organic_carbon),
        "static": None if position.static is None else str(position.static),
    }  # fmt: skip
    return {key: value for key, value in said.items() if value not in (None, "", [])}


def region(
    climate: str | Path | Sequence[str | Path],
    *,
    static: str | Path | xr.Dataset | pd.DataFrame | Mapping[str, str | Path],
    community: str = "",
    names: Mapping[str, str] | None = None,
    co2: str | Path | None = None,
    co2_column: str = "",
    stride: int = 1,
    name: str = "region",
) -> Place:
    """The cells of CF netCDF files: monthly ``climate`` (one file or several that join up) and ``static`` fields.

    ``static`` has elevation (m), sand, silt, clay (percent) and vegetation (or ``community`` names one for all cells): a CF file,
    a Dataset, a DataFrame (``latitude`` and ``longitude`` as columns or index), or for each field a raster or CF file of the same
    cells, ``{"elevation": "dem.tif", ...}``. What is no one file cannot be named by a plan: ``jtem run`` refuses it.
    ``names``: what the files call the variables where they differ from tas, pr, rsds, elevation and so on. ``co2``: a table of
    year and ppm; by default the embedded published series. Every ``stride``-th cell is taken. Raises ``InputError``.
    """
    from jtem.readers import cf_monthly, static_tables
    from jtem.readers.place import LATER_CO2

    paths = [Path(p) for p in ([climate] if isinstance(climate, str | Path) else climate)]
    fixed = Path(static) if isinstance(static, str | Path) else static_tables.as_file(static, names or {})
    for path in (*paths, fixed):
        if not path.is_file():
            raise InputError(f"{path}: file not found; check the name")
    first, last = cf_monthly.covered_years(paths, names)
    called = str(static) if isinstance(static, str | Path) else in_memory(static)
    _known_community(community, called)
    section: Content = {
        "source": "cf_monthly",
        "climate": {"historical": [str(p) for p in paths]},
        "static": str(fixed),
        "co2": "embedded" if co2 is None else str(co2),
        "co2_column": co2_column or ("" if co2 is not None else LATER_CO2),
    }
    section |= {"stride": stride} if stride != 1 else {}
    section |= {"names": dict(names)} if names else {}
    section |= {"community": community} if community else {}
    keys = {"names": {}, "community": "", "stride": 1} | {k: v for k, v in section.items() if k != "source"}
    domain = cf_monthly.open_domain(Path, ("historical",), **keys)
    parts = static.values() if isinstance(static, Mapping) else [static]
    inputs = tuple(called if said == str(fixed) else said for said in domain.inputs)
    domain = dataclasses.replace(domain, inputs=inputs, files=_files([*paths, *parts, co2]))
    section["static"] = called
    return Place(name, domain, "historical", first, last, section, is_site=False)


def known_sites() -> tuple[str, ...]:
    """Names of the embedded sites, for :func:`site`.

    >>> "US-Prr" in known_sites()
    True
    """
    from jtem.readers import embedded

    return tuple(str(name) for name in embedded.sites()["site"].values)


def _files(given: Sequence[object]) -> tuple[Path, ...]:
    """Those of some arguments that are files."""
    return tuple(Path(one) for one in given if isinstance(one, str | Path) and Path(one).is_file())


_KNOWN_OF_SITES = {
    "elevation": "elevation", "names": "climate", "units": "climate", "years": "climate", "texture": "texture",
    "static": "fields", "soil_organic_carbon": "soil carbon", "co2": "CO2", "fill": "climate",
}  # fmt: skip
"""Arguments that a known site does not take, and what they would say."""


def _texture_of(silt_clay: Number) -> tuple[float, float, float]:
    """Sand, silt and clay (percent) where only silt and clay together are known."""
    if not 0 <= silt_clay <= 100:
        raise InputError(f"silt_clay is {silt_clay:g}, expected 0..100 percent; correct it")
    return 100.0 - float(silt_clay), float(silt_clay), 0.0


def _leave_out(name: str, given: Mapping[str, object]) -> None:
    """Raise ``InputError`` for arguments of a known site that it would pass over."""
    for word, value in given.items():
        if value is not None and not (isinstance(value, str | Sequence | Mapping) and len(value) == 0):
            raise InputError(f"site '{name}' is known with its {_KNOWN_OF_SITES[word]}; leave {word} out")


def _check_numbers(given: Mapping[str, object], gaps: bool = False) -> None:
    """Raise ``InputError`` for what is no finite number; None is not given, and NaN is not known where there may be ``gaps``."""
    for word, value in given.items():
        number = np.inf
        if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
            number = float(value)
        if value is not None and not (np.isfinite(number) or (gaps and np.isnan(number))):
            raise InputError(f"{word} is {value!r}, expected a number; correct it")


def _check_several(given: Mapping[str, object]) -> None:
    """Raise ``InputError`` for what is no row of numbers; soil carbon may have gaps."""
    for word, several in given.items():
        if isinstance(several, str) or not isinstance(several, Sequence | np.ndarray):
            raise InputError(f"{word} is {several!r}, expected numbers; give a tuple of them")
        for value in several:
            _check_numbers({word: value}, gaps=word == "soil_organic_carbon")


def _is_path(text: str) -> bool:
    return Path(text).suffix.lower() in (".csv", ".txt", ".tsv", ".dat", ".nc", ".nc4", ".cdf") or Path(text).is_file()


def _no_place_for_known_site(name: str, latitude: Number | None, longitude: Number | None) -> None:
    if (latitude is not None or longitude is not None) and name in known_sites():
        raise InputError(f"site '{name}' is known with its place; leave latitude and longitude out")


def _known(name: str, community: str, scenario: str) -> Place:
    from jtem.readers import emulated

    known = known_sites()
    if name not in known:
        raise InputError(
            f"unknown site {name!r}; {suggest(name, known)} (a table is given by a path such as 'tower.csv')"
        )
    _known_community(community, name)
    domain = emulated.open_domain(Path, (), domain="", sites=(name,), stride=1, community=community)
    section = {"source": "embedded", "sites": [name], **({"community": community} if community else {})}
    return Place(name, domain, _scenario(scenario), *EMULATED_YEARS, section, emulated=True)


def _anywhere(position: Position, scenario: str, section: dict[str, object]) -> Place:
    from jtem.readers import place as places

    label = f"({position.latitude:g}, {position.longitude:g})"
    _known_community(position.community, label)
    domain = places.emulated_domain(position, label)
    section = {**section, "source": "embedded"}
    return Place(position.name, domain, _scenario(scenario), *EMULATED_YEARS, section, emulated=True)


def _scenario(word: str) -> str:
    from jtem.readers import embedded

    known = [name for name in embedded.SCENARIO_YEARS if name != "historical"]
    if word and word not in known:
        raise InputError(f"scenario {word!r} is unknown; {suggest(word, known)}")
    return f"historical+{word}" if word else EMULATED


def _known_community(name: str, where: str) -> None:
    from jtem.readers.place import communities

    known = communities()
    if name and name not in known:
        raise InputError(f"{where}: community {name!r} is unknown; {suggest(name, known)}")


def sun(latitude: np.ndarray) -> np.ndarray:
    """Light at the top of the atmosphere as the model has it, degrees (n,) to W m-2 (n, 12)."""
    from jtem.constants import WATTS_TO_TEM_RADIATION
    from jtem.physics import radiation

    return radiation.top_of_atmosphere(latitude) / WATTS_TO_TEM_RADIATION

"""Section [domain] of a plan: cells, and the climate of each name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jtem.assemble import place
from jtem.assemble.store import prepared_domain
from jtem.errors import InputError

if TYPE_CHECKING:
    from jtem.plan import Plan


def domain(plan: Plan, data: Path | None):
    """Cells, a function from a climate's name to its source (and its name for errors), and the names of the inputs."""
    from jtem.plan import resolve
    from jtem.readers import cf_monthly, co2, embedded, toolik

    d = plan.domain
    where = f"{plan.where}: [domain]"
    if d.source == "table":
        return site_domain(plan, data)
    if d.source == "embedded" and (d.latitude is not None or d.longitude is not None):
        return place.emulated_domain(position_of(plan, data), joined_climate, where)
    if d.source == "embedded":
        cells = embedded.sites(d.sites) if d.sites else embedded.domain(d.domain)
        cells = cells.isel(cell=slice(None, None, d.stride))
        named = f"sites {', '.join(d.sites)}" if d.sites else f"domain {d.domain}"

        def embedded_source(climate: str):
            def source(rows: np.ndarray, first: int, last: int):
                return joined_climate(cells.isel(cell=rows), climate, first, last)

            return source, f"emulated climate '{climate}'"

        return cells, embedded_source, [f"embedded {named}", "emulated climate (data/embedded)"]
    if d.source == "climate_grid":
        return half_degree_domain(plan, data)
    if d.source in ("isimip", "prepared"):
        return prepared_domain(plan)

    static = resolve(d.static, data, where)
    if d.source == "toolik":
        cells = toolik.read_cells(static)
    else:
        cells = cf_monthly.read_cells(static, d.names, d.community)
    cells = cells.isel(cell=slice(None, None, d.stride))
    files = {name: [resolve(f, data, f"{where} climate.{name}") for f in paths] for name, paths in d.climate.items()}
    table = None if d.co2 == "embedded" else resolve(d.co2, data, f"{where} co2")
    latitude, longitude = cells["latitude"].values, cells["longitude"].values

    def file_source(climate: str):
        paths = files[climate]

        def source(rows: np.ndarray, first: int, last: int):
            result = cf_monthly.read_climate(paths, first, last, d.names, (latitude[rows], longitude[rows]))
            if table is None:
                ppm = co2.embedded_series(d.co2_column or climate, first, last)
            else:
                ppm = co2.read_table(table, first, last, d.co2_column)
            return result.assign(co2=("year", ppm, {"units": "ppm"}))

        return source, ", ".join(str(path) for path in paths)

    inputs = [str(static), *(str(path) for paths in files.values() for path in paths)]
    return cells, file_source, [*inputs, *([str(table)] if table else ["CO2: embedded published series"])]


def position_of(plan: Plan, data: Path | None) -> place.Position:
    """Where the site of a plan lies and what grows there."""
    from jtem.plan import resolve

    d, where = plan.domain, f"{plan.where}: [domain]"
    for key in ("latitude", "longitude"):
        if getattr(d, key) is None:
            raise InputError(f"{where}: '{key}' is missing; add it in degrees")
    assert d.latitude is not None and d.longitude is not None
    local = Path(d.static)
    static = (local if local.is_file() else resolve(d.static, data, where)) if d.static else None
    return place.Position(
        d.latitude, d.longitude, d.elevation, d.community, d.texture, d.soil_organic_carbon, static, plan.plan.name
    )


def site_domain(plan: Plan, data: Path | None):
    """As :func:`domain`, of one site whose climates are tables."""
    from jtem.plan import resolve
    from jtem.readers import co2, embedded, site_table

    d, where = plan.domain, f"{plan.where}: [domain]"

    def found(name: str, key: str) -> Path:
        return Path(name) if Path(name).is_file() else resolve(name, data, f"{where} {key}")

    tables = {}
    for name, files in d.climate.items():
        if len(files) != 1:
            raise InputError(f"{where}: climate '{name}' has {len(files)} files, a site has one table each; join them")
        path = found(files[0], f"climate.{name}")
        tables[name] = site_table.read(path, names=d.names, units=d.units, fill=d.fill, where=str(path))
    if d.co2 == "embedded":
        series = None
    elif d.co2 in embedded.SCENARIO_YEARS:
        series = lambda climate, first, last: place.default_co2(d.co2, first, last)  # noqa: E731
    else:
        path = found(d.co2, "co2")
        series = lambda climate, first, last: co2.read_table(path, first, last, d.co2_column)  # noqa: E731
    return place.table_domain(tables, position_of(plan, data), where, series)


def half_degree_domain(plan: Plan, data: Path | None):
    """As :func:`domain`, of the real half-degree fields in the data folder."""
    from jtem.plan import resolve
    from jtem.readers import climate_grid

    d = plan.domain
    folder = resolve("climate_grid", data, f"{plan.where}: [domain]", folder=True).parent
    cells = climate_grid.cells(folder, d.domain, stride=d.stride, soil=d.soil_carbon, subdivide=d.subdivide)

    def half_degree_source(climate: str):
        scenario, member = [*d.climate.get(climate, (climate,)), "gfdl_like"][:2]

        def source(rows: np.ndarray, first: int, last: int):
            return climate_grid.climate(folder, cells.isel(cell=rows), scenario, first, last, member)

        return source, f"half-degree climate '{climate}' ({scenario}, {member})"

    said = [half_degree_source(name)[1] for name in plan.climate_years]
    return cells, half_degree_source, [str(cells.attrs["title"]), *said, "CO2: co2_annual.csv"]


def joined_climate(cells: Any, climate: str, first: int, last: int):
    """Emulated climate of one name, or of two joined: "historical+rcp45" is history as long as it is known, then the other."""
    import xarray as xr

    from jtem.readers import embedded

    name, _, later = climate.partition("+")
    end = embedded.SCENARIO_YEARS.get(name, (first, last))[1]
    if not later or last <= end:
        return embedded.climate(cells, name, first, last)
    after = embedded.climate(cells, later, max(first, end + 1), last)
    if first > end:
        return after
    return xr.concat([embedded.climate(cells, name, first, end), after], "year", combine_attrs="drop_conflicts")

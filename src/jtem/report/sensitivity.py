"""Sensitivities as labelled datasets and netCDF files, and their figures: tornado, maps, time series, indices, uncertainty.

Takes the plain results of ``study.sensitivity`` and ``study.ensembles`` and says what their axes are; computes nothing but units.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.files import whole
from jtem.records import Adjoint, Grid, Indices, Propagated, Quantity, SensitivityAxes, Tangent
from jtem.report.page import label, pyplot, save
from jtem.variables import VARIABLES

POSITIVE, NEGATIVE = (
    "#0072B2",
    "#E69F00",
)  # Okabe and Ito; negative bars are hatched as well, so grey print tells them apart
PERCENT = "percent percent-1"


# --- labels ------------------------------------------------------------------------------------------------------------


def _columns(axes: SensitivityAxes, grid: Grid) -> dict[str, object]:
    """Coordinates of the columns: where they lie, their community, their share of the cell's area."""
    cell = np.asarray(axes.column_cell)
    coordinates = {
        "cell": ("column", cell),
        "latitude": ("column", np.asarray(grid.latitude)[cell], {"units": "degrees_north"}),
        "longitude": ("column", np.asarray(grid.longitude)[cell], {"units": "degrees_east"}),
        "area": ("column", np.asarray(grid.area)[cell] * np.asarray(grid.column_fraction), {"units": "km2"}),
        "community": ("column", np.asarray(axes.communities, dtype=str)),
    }
    if grid.labels is not None:
        coordinates["site"] = ("column", np.asarray(grid.labels, dtype=str)[cell])
    return coordinates


def _quantities(quantities: Sequence[Quantity]) -> dict[str, object]:
    said = [f"{q.how} of {q.variable} {q.first}-{q.last}" for q in quantities]
    return {
        "quantity": ("quantity", [q.name for q in quantities]),
        "meaning": ("quantity", said),
        "quantity_unit": ("quantity", [q.unit for q in quantities]),
    }


def adjoint_dataset(result: Adjoint, axes: SensitivityAxes, grid: Grid) -> xr.Dataset:
    """Derivatives of every quantity and column: by parameters (also as elasticities), by climate, by the initial profile."""
    q, c = "quantity", "column"

    def first(values: np.ndarray) -> np.ndarray:
        return np.moveaxis(values, 1, 0)

    def forcing(values: np.ndarray) -> np.ndarray:
        return first(values).astype(np.float32)

    derivative = {
        "long_name": "derivative by the value of the column's community",
        "units": "see quantity_unit, parameter_unit",
    }
    elasticity = {
        "units": PERCENT,
        "long_name": "percent of the quantity per percent of the parameter; NaN where it is 0",
    }
    months = (q, c, "year", "month")
    return xr.Dataset(
        {
            "value": ((q, c), result.value.T),
            "derivative": ((q, c, "parameter"), first(result.parameters), derivative),
            "elasticity": ((q, c, "parameter"), first(result.elasticity(axes.vectors)), elasticity),
            "by_air_temperature": (months, forcing(result.air_temperature), {"units": "quantity_unit degC-1"}),
            "by_precipitation": (months, forcing(result.precipitation), {"units": "quantity_unit (mm month-1)-1"}),
            "by_shortwave_radiation": (
                months,
                forcing(result.shortwave_radiation),
                {"units": "quantity_unit (W m-2)-1"},
            ),
            "by_co2": ((q, c, "year"), forcing(result.co2), {"units": "quantity_unit ppm-1"}),
            "by_cycle_air_temperature": (
                (q, c, "month"),
                first(result.cycle_air_temperature),
                {"units": "quantity_unit degC-1", "long_name": "every year of the spin-up's cycle"},
            ),
            "by_cycle_precipitation": (
                (q, c, "month"),
                first(result.cycle_precipitation),
                {"units": "quantity_unit (mm month-1)-1", "long_name": "every year of the spin-up's cycle"},
            ),
            "by_cycle_co2": ((q, c), result.cycle_co2.T, {"units": "quantity_unit ppm-1"}),
            "by_soil_carbon_profile": (
                (q, c, "layer"),
                first(result.soil_carbon_profile),
                {"units": "quantity_unit (gC m-2)-1", "long_name": "by the observed soil carbon of each layer"},
            ),
            "code": (c, result.code, {"long_name": "result code of the equilibrium; not 0: no derivative"}),
        },
        coords={
            **_quantities(result.quantities),
            **_columns(axes, grid),
            "parameter": list(axes.names),
            "parameter_unit": ("parameter", list(axes.units)),
            "parameter_value": ((c, "parameter"), axes.vectors.astype(np.float64)),
            "year": axes.years,
            "month": np.arange(1, 13),
        },
        attrs={"scenario": result.scenario},
    )


def tangent_dataset(result: Tangent, axes: SensitivityAxes, grid: Grid) -> xr.Dataset:
    """Derivative of every yearly output along each direction, one variable an output (house units)."""
    data: dict[str, object] = {}
    for k, name in enumerate(axes.variables):
        unit = VARIABLES[name].unit.replace("month-1", "year-1")
        data[name] = (("column", "year"), result.value[:, k], {"units": unit})
        data[f"d_{name}"] = (
            ("direction", "column", "year"),
            np.moveaxis(result.derivative[:, :, k], 1, 0),
            {"units": unit},
        )
    data["code"] = ("column", result.code)
    return xr.Dataset(
        data,
        coords={
            **_columns(axes, grid),
            "direction": list(result.directions),
            "direction_unit": ("direction", list(result.units)),
            "direction_value": (("direction", "column"), _direction_values(result, axes)),
            "year": axes.years,
        },
        attrs={"scenario": result.scenario},
    )


def _direction_values(result: Tangent, axes: SensitivityAxes) -> np.ndarray:
    """The parameter along each direction; 1 for directions through the climate."""
    names = list(axes.names)
    ones = np.ones(len(axes.vectors))
    return np.stack([axes.vectors[:, names.index(d)] if d in names else ones for d in result.directions]).astype(
        np.float64
    )


def indices_dataset(result: Indices, axes: SensitivityAxes, grid: Grid, scenario: str) -> xr.Dataset:
    """Sobol' or Morris indices of columns or of the region with their confidence intervals."""
    regional = result.first.shape[0] == 1 and len(axes.vectors) > 1
    place = {"place": ["region"]} if regional else {"place": _place_names(axes, grid)}

    def put(values: np.ndarray) -> tuple:
        return ("place", "quantity", "parameter"), values

    words = {
        "sobol": {"first_order": result.first, "total": result.total},
        "morris": {
            "mean_effect": result.first,
            "mean_absolute_effect": result.total,
            "effect_deviation": result.spread,
        },
    }[result.method]
    data = {name: put(values) for name, values in words.items()}
    main = "first_order" if result.method == "sobol" else "mean_effect"
    if result.method == "sobol":
        data[f"{main}_interval"] = put(result.first_interval)
        data["total_interval"] = put(result.total_interval)
    else:
        data["mean_absolute_effect_interval"] = put(result.total_interval)
    data["groups_kept"] = (("place", "quantity"), result.kept)
    return xr.Dataset(
        data,
        coords={
            **_quantities(result.quantities),
            **place,
            "parameter": list(result.names),
            "lower_factor": ("parameter", result.bounds[:, 0]),
            "upper_factor": ("parameter", result.bounds[:, 1]),
        },
        attrs={
            "scenario": scenario,
            "method": result.method,
            "runs": result.runs,
            "groups": result.groups,
            "intervals": "half-width of the 95 % bootstrap interval",
        },
    )


def _place_names(axes: SensitivityAxes, grid: Grid) -> list[str]:
    if grid.labels is not None:
        names = [str(name) for name in np.asarray(grid.labels)[np.asarray(axes.column_cell)]]
        if len(set(names)) == len(names):
            return names
    return [f"column {k}" for k in range(len(axes.vectors))]


def feedback_dataset(result: Propagated) -> xr.Dataset:
    """An uncertainty carried through the scenarios, linearly and by ensemble."""
    at = ("scale", "row")
    unit = {"units": result.unit}
    return xr.Dataset(
        {
            "best": ("row", result.best, unit),
            "slope": (
                ("row", "parameter"),
                result.slope,
                {**unit, "long_name": "by a relative change of the parameter"},
            ),
            "linear_deviation": (at, result.linear, unit),
            "ensemble_mean": (at, result.mean, unit),
            "ensemble_deviation": (at, result.deviation, unit),
            "ensemble_deviation_error": (at, result.deviation_error, unit),
            "ensemble_quantile": ((*at, "probability"), result.quantiles, unit),
            "agreement": (at, result.agreement, {"long_name": "squared correlation of ensemble and linear prediction"}),
            "kept": ("scale", result.kept),
        },
        coords={
            "scale": result.scales,
            "scenario": ("row", [row[0] for row in result.rows]),
            "quantity": ("row", [row[1] for row in result.rows]),
            "parameter": list(result.names),
            "probability": [0.05, 0.5, 0.95],
        },
        attrs={"samples": result.samples, "uncertainty": result.source},
    )


def write(dataset: xr.Dataset, path: Path | str, attributes: Mapping[str, str | int | float]) -> Path:
    """The dataset as netCDF, whole or not at all."""
    packed = {name: {"zlib": True, "complevel": 1} for name, v in dataset.data_vars.items() if v.dtype.kind == "f"}
    with whole(path) as partial:
        dataset.assign_attrs({**dataset.attrs, **attributes}).to_netcdf(partial, encoding=packed, engine="netcdf4")
    return Path(path)


# --- regional numbers --------------------------------------------------------------------------------------------------


def regional_elasticity(data: xr.Dataset) -> xr.DataArray:
    """Percent of the region's sum per percent of a parameter in every column, (quantity, parameter)."""
    area = data["area"].where(data["code"] == 0, 0.0)
    moved = (data["derivative"] * data["parameter_value"] * area).sum("column")
    return moved / np.abs((data["value"] * area).sum("column"))


def ranking(elasticity: xr.DataArray, count: int = 15) -> list[str]:
    """Parameters by falling size of a one-dimensional elasticity; those without any are left out."""
    size = np.nan_to_num(np.abs(elasticity.values))
    order = np.argsort(-size, kind="stable")[:count]
    return [str(elasticity["parameter"].values[k]) for k in order if size[k] > 0]


def as_text(data: xr.Dataset, count: int = 8) -> str:
    """The largest elasticities of each quantity, for a terminal."""
    lines = []
    whole = regional_elasticity(data)
    for k, name in enumerate(data["quantity"].values):
        unit = str(data["quantity_unit"].values[k])
        lines.append(f"{name} ({data['meaning'].values[k]}, {unit}), {label(data.attrs['scenario'])}:")
        lines.append("  elasticity of the area-weighted sum, percent per percent")
        lines += [f"  {float(whole[k].sel(parameter=p)):8.2f}  {p}" for p in ranking(whole[k], count)]
    return "\n".join(lines)


# --- figures -----------------------------------------------------------------------------------------------------------


def _pretty(name: str) -> str:
    branch, _, rest = name.partition(".")
    return f"{rest.replace('_', ' ')} ({branch.replace('_', ' ')})"


def tornado(data: xr.Dataset, quantity: str, path: Path | str, count: int = 12) -> Path:
    """Elasticities of one quantity as bars, largest first: a panel a site (at most six), or one for the region."""
    plt = pyplot()
    at = list(data["quantity"].values).index(quantity)
    if "site" in data.coords and data.sizes["column"] <= 6:
        panels = [
            (
                f"{data['site'].values[k]} ({str(data['community'].values[k]).replace('_', ' ')})",
                data["elasticity"][at, k],
            )
            for k in range(data.sizes["column"])
        ]
    else:
        panels = [("area-weighted sum of the region", regional_elasticity(data)[at])]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.4 * columns, 0.28 * count * rows + 1.5), layout="constrained", squeeze=False
    )
    for panel, letter, (title, values) in zip(axes.ravel(), "abcdef", panels, strict=False):
        names = ranking(values, count)
        sizes = np.array([float(values.sel(parameter=name)) for name in names])
        panel.set_title(f"({letter}) {title}", fontsize=9, loc="left")
        if not names:
            panel.text(0.5, 0.5, "the quantity is 0 here", ha="center", va="center", transform=panel.transAxes)
            panel.set_axis_off()
            continue
        place = np.arange(len(names))
        for mark, colour, hatch in ((sizes >= 0, POSITIVE, ""), (sizes < 0, NEGATIVE, "////")):
            panel.barh(place[mark], sizes[mark], color=colour, hatch=hatch, edgecolor="white", linewidth=0.5)
        panel.set_yticks(place, [_pretty(name) for name in names], fontsize=7)
        panel.invert_yaxis()
        panel.axvline(0, color="0.3", linewidth=0.7)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="x", color="0.9", linewidth=0.6)
        panel.set_axisbelow(True)
        panel.tick_params(axis="x", labelsize=8)
        panel.set_xlabel("percent per percent", fontsize=8)
    for panel in axes.ravel()[len(panels) :]:
        panel.set_axis_off()
    unit = str(data["quantity_unit"].values[at])
    said = f"{quantity.replace('_', ' ')}: {str(data['meaning'].values[at]).replace('_', ' ')} ({unit})"
    text = f"Elasticity of {said}, {label(data.attrs['scenario'])}"
    figure.suptitle("\n".join(textwrap.wrap(text, 60 * columns)), fontsize=10)
    return save(figure, path)


def maps(data: xr.Dataset, quantity: str, path: Path | str, parameters: Sequence[str] = (), count: int = 3) -> Path:
    """Maps of the change of a quantity for +1 % of each parameter (default: the region's first), one disc a cell."""
    plt = pyplot()
    at = list(data["quantity"].values).index(quantity)
    names = list(parameters) or ranking(regional_elasticity(data)[at], count)
    area = data["area"].values
    _, back = np.unique(data["cell"].values, return_inverse=True)
    total = np.bincount(back, area)
    latitude, longitude = (np.bincount(back, data[n].values * area) / total for n in ("latitude", "longitude"))
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    polar = latitude.min() > 40
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.4 * columns, 4.6 * rows + 0.4), layout="constrained", squeeze=False,
        subplot_kw={"projection": "polar"} if polar else {},
    )  # fmt: skip
    unit = str(data["quantity_unit"].values[at])
    southern = max(0.0, float(np.floor(latitude.min() / 5) * 5))
    for panel, letter, name in zip(axes.ravel(), "abcdefghi", names, strict=False):
        change = (data["derivative"][at] * data["parameter_value"]).sel(parameter=name).values * 0.01
        lost = np.isnan(change)
        values = np.bincount(back, np.where(lost, 0.0, change) * area) / total
        missing = np.bincount(back, lost * area) > 0
        limit = (
            float(np.quantile(np.abs(values[~missing & (values != 0)]), 0.9))
            if (~missing & (values != 0)).any()
            else 1.0
        )
        limit = limit or 1.0
        x, y = (np.deg2rad(longitude), 90.0 - latitude) if polar else (longitude, latitude)
        size = (4500.0 if polar else 1800.0) * np.sqrt(total / 1e5) / max(90.0 - southern, 20.0)
        panel.scatter(x[missing], y[missing], s=size[missing], marker="x", color="0.5", linewidths=0.7)
        none = ~missing & (values == 0)
        panel.scatter(x[none], y[none], s=0.25 * size[none], color="0.88", edgecolors="0.7", linewidths=0.3)
        image = None
        for sign, marker in ((values >= 0, "o"), (values < 0, "v")):
            chosen = sign & ~missing & (values != 0)
            image = panel.scatter(
                x[chosen], y[chosen], c=values[chosen], s=size[chosen], marker=marker, cmap="PuOr", vmin=-limit,
                vmax=limit, edgecolors="0.5", linewidths=0.25,
            )  # fmt: skip
        if polar:
            panel.set_theta_zero_location("S")
            panel.set_rlim(0, 90.0 - southern)
            panel.set_rgrids([90 - lat for lat in (80, 70, 60, 50) if lat > southern], [])
            panel.set_xticks(np.deg2rad([0, 90, 180, 270]), ["0°", "90°E", "180°", "90°W"], fontsize=7)
        else:
            panel.set_xlabel("longitude (degrees east)", fontsize=8)
            panel.set_ylabel("latitude (degrees north)", fontsize=8)
        panel.grid(color="0.85", linewidth=0.4)
        panel.set_title(f"({letter}) {_pretty(name)}", fontsize=8)
        bar = figure.colorbar(image, ax=panel, location="bottom", shrink=0.75, pad=0.04, extend="both")
        bar.set_label(f"{unit} for +1 %", fontsize=8)
        bar.ax.tick_params(labelsize=7)
    for panel in axes.ravel()[len(names) :]:
        panel.set_axis_off()
    figure.suptitle(
        f"{quantity.replace('_', ' ')}, {label(data.attrs['scenario'])}: change for +1 % of a parameter "
        "(triangles: negative; small grey: none; crosses: no equilibrium)",
        fontsize=9,
    )
    return save(figure, path)


def time_series(data: xr.Dataset, variables: Sequence[str], path: Path | str) -> Path:
    """Response of yearly outputs to +1 % (parameters, CO2, precipitation) or +1 degC, mean of the columns by area."""
    plt = pyplot()
    area = data["area"].where(data["code"] == 0, 0.0)
    columns = min(3, len(variables))
    rows = -(-len(variables) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.6 * columns, 3.2 * rows + 0.8), layout="constrained", squeeze=False, sharex=True
    )
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")
    styles, markers = ("-", "--", "-.", ":"), "os^Dv*"
    names = [str(name) for name in data["direction"].values]
    shares = [
        1.0 if str(u) in ("degC", "percent") and n in CLIMATE else 0.01
        for n, u in zip(names, data["direction_unit"].values, strict=True)
    ]
    for panel, letter, variable in zip(axes.ravel(), "abcdefghi", variables, strict=False):
        for k, share in enumerate(shares):
            moved = (data[f"d_{variable}"][k] * data["direction_value"][k] * area).sum("column") / area.sum() * share
            panel.plot(
                data["year"], moved, color=colours[k % 6], linestyle=styles[k % 4], marker=markers[k % 6], linewidth=1.2,
                markersize=3.5, markevery=(3 * k, 15),
            )  # fmt: skip
        panel.axhline(0, color="0.5", linewidth=0.6)
        panel.set_title(f"({letter}) {variable.replace('_', ' ')}", fontsize=9, loc="left")
        panel.set_ylabel(data[f"d_{variable}"].attrs["units"], fontsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(axis="y", color="0.9", linewidth=0.6)
        panel.tick_params(labelsize=8)
    for panel in axes.ravel()[len(variables) :]:
        panel.set_axis_off()
    handles = [
        plt.Line2D(
            [],
            [],
            color=colours[k % 6],
            linestyle=styles[k % 4],
            marker=markers[k % 6],
            markersize=4,
            label=_direction(n),
        )
        for k, n in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), frameon=False, fontsize=8)
    figure.suptitle(f"Response in time, {label(data.attrs['scenario'])}, mean over the area", fontsize=10)
    return save(figure, path)


CLIMATE = ("warming", "precipitation", "co2", "soil_cycle_warming")


def _direction(name: str) -> str:
    said = {"warming": "+1 °C", "precipitation": "+1 % precipitation", "co2": "+1 % CO$_2$"}
    return said.get(name) or (
        "+1 °C in the spin-up's cycle" if name == "soil_cycle_warming" else f"+1 % {_pretty(name)}"
    )


def indices(data: xr.Dataset, path: Path | str) -> Path:
    """Sobol' first-order and total indices, or Morris effects, with 95 % intervals: a panel a place and quantity (at most 6)."""
    plt = pyplot()
    sobol = data.attrs["method"] == "sobol"
    panels = [(p, q) for p in range(data.sizes["place"]) for q in range(data.sizes["quantity"])][:6]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(5.2 * columns, (0.3 * data.sizes["parameter"] + 1.3) * rows + 0.6), layout="constrained",
        squeeze=False,
    )  # fmt: skip
    main = data["total" if sobol else "mean_absolute_effect"]
    for panel, letter, (p, q) in zip(axes.ravel(), "abcdef", panels, strict=False):
        order = np.argsort(-np.nan_to_num(main[p, q].values))
        place = np.arange(order.size)
        names = [_pretty(str(data["parameter"].values[k])) for k in order]
        error = {"ecolor": "0.2", "capsize": 2, "elinewidth": 0.8}
        if sobol:
            first, wide = data["first_order"][p, q].values[order], data["first_order_interval"][p, q].values[order]
            panel.barh(place - 0.2, first, 0.4, xerr=wide, color=POSITIVE, label="first order", error_kw=error)
            total, wide = main[p, q].values[order], data["total_interval"][p, q].values[order]
            panel.barh(
                place + 0.2,
                total,
                0.4,
                xerr=wide,
                color=NEGATIVE,
                hatch="////",
                edgecolor="white",
                label="total",
                error_kw=error,
            )
            panel.set_xlabel("share of the variance", fontsize=8)
        else:
            total, wide = main[p, q].values[order], data["mean_absolute_effect_interval"][p, q].values[order]
            panel.barh(place, total, 0.6, xerr=wide, color=POSITIVE, label="mean absolute effect", error_kw=error)
            panel.plot(
                data["effect_deviation"][p, q].values[order], place, "D", color="0.1", markersize=4, label="deviation"
            )
            panel.set_xlabel(f"effect over the range ({data['quantity_unit'].values[q]})", fontsize=8)
        panel.set_yticks(place, names, fontsize=7)
        panel.invert_yaxis()
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(axis="x", labelsize=8)
        panel.set_title(
            f"({letter}) {data['place'].values[p]}: {str(data['quantity'].values[q]).replace('_', ' ')}",
            fontsize=9,
            loc="left",
        )
        panel.legend(fontsize=7, frameon=False, loc="lower right")
    for panel in axes.ravel()[len(panels) :]:
        panel.set_axis_off()
    what = "Sobol' indices" if sobol else "Morris elementary effects"
    figure.suptitle(
        f"{what}, {label(data.attrs['scenario'])}; {data.attrs['runs']} runs a place; bars: 95 % intervals", fontsize=10
    )
    return save(figure, path)


def feedback(data: xr.Dataset, path: Path | str) -> Path:
    """Standard deviation, linear against ensemble, by the size of the uncertainty; and the range at its full size."""
    plt = pyplot()
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
    colours, markers, styles = ("#0072B2", "#D55E00", "#009E73", "#CC79A7"), "os^D", ("-", "--", "-.", ":")
    names = [
        f"{' less '.join(label(s) for s in str(a).split(' less '))}: {str(b).replace('_', ' ')}"
        for a, b in zip(data["scenario"].values, data["quantity"].values, strict=True)
    ]
    # a colour a quantity; a marker and a line style a scenario (and for the difference)
    quantities, scenarios = (list(dict.fromkeys(data[key].values)) for key in ("quantity", "scenario"))
    look = [
        (quantities.index(b) % 4, scenarios.index(a) % 4)
        for a, b in zip(data["scenario"].values, data["quantity"].values, strict=True)
    ]
    fine = np.geomspace(float(data["scale"].min()), float(data["scale"].max()), 50)
    unit = data["best"].attrs["units"]
    for k, name in enumerate(names):
        colour, marker, style = colours[look[k][0]], markers[look[k][1]], styles[look[k][1]]
        per = float(data["linear_deviation"][-1, k] / data["scale"][-1])
        left.plot(fine, per * fine, color=colour, linestyle=style, linewidth=1.2)
        left.errorbar(
            data["scale"], data["ensemble_deviation"][:, k], 2 * data["ensemble_deviation_error"][:, k],
            color=colour, marker=marker, linestyle="none", capsize=3, markersize=5, label=name,
        )  # fmt: skip
        low, middle, high = data["ensemble_quantile"][-1, k].values
        right.plot([low, high], [k + 0.12] * 2, color=colour, linewidth=3)
        right.plot([middle], [k + 0.12], marker=marker, color=colour)
        best, wide = float(data["best"][k]), 1.645 * float(data["linear_deviation"][-1, k])
        right.plot([best - wide, best + wide], [k - 0.12] * 2, color="0.35", linewidth=1.5, linestyle="--")
        right.plot([best], [k - 0.12], marker="|", color="0.1", markersize=9)
    left.set_xscale("log")
    left.set_yscale("log")
    left.set_xlabel("size of the parameters' uncertainty (1: as given)", fontsize=8)
    left.set_ylabel(f"standard deviation ({unit})", fontsize=8)
    left.set_title("(a) lines: linear J C J'; points: ensemble ± 2 errors", fontsize=9, loc="left")
    left.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    right.set_yticks(np.arange(len(names)), names, fontsize=7)
    right.set_xlabel(unit, fontsize=8)
    right.set_title("(b) 5-95 %: ensemble solid, linear dashed", fontsize=9, loc="left")
    right.axvline(0, color="0.6", linewidth=0.6)
    for panel in (left, right):
        panel.spines[["top", "right"]].set_visible(False)
        panel.grid(color="0.92", linewidth=0.6)
        panel.tick_params(axis="x", labelsize=8)
    return save(figure, path)

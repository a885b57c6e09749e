"""Soil carbon and nitrogen by depth: the user's profiles, pedons, mean profiles, and stocks that follow from them.

All readers return one form, see :func:`soil_profiles`. Below 3 m the model itself extends what is known (hyperbolic fit,
``physics/permafrost.py``).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers.tables import Row, number, read_rows
from jtem.records import Named

PROFILE_QUANTITIES: dict[str, dict[str, float]] = {
    "top": {"top_m": 1.0, "top_cm": 0.01, "depth_top_m": 1.0, "depth_top_cm": 0.01},
    "bottom": {"bottom_m": 1.0, "bottom_cm": 0.01, "depth_bottom_m": 1.0, "depth_bottom_cm": 0.01},
    "carbon": {"carbon_kg_m2": 1000.0, "carbon_g_m2": 1.0},
    "nitrogen": {"nitrogen_kg_m2": 1000.0, "nitrogen_g_m2": 1.0},
    "carbon_error": {"carbon_error_kg_m2": 1000.0, "carbon_error_g_m2": 1.0},
    "nitrogen_error": {"nitrogen_error_kg_m2": 1000.0, "nitrogen_error_g_m2": 1.0},
}
"""Column names of a profile table, which state the unit, and what makes m and g m-2 of them; one of each is read."""
DENSEST = 150.0  # kg m-3 of carbon in the median interval of a table; single published ones reach 360
PROFILE_WORDS = ("vegetation", "ecosystem", "community")
PROFILE_COLUMNS = (
    *("site", *(name for names in PROFILE_QUANTITIES.values() for name in names)),
    *("latitude", "longitude", "elevation_m", *PROFILE_WORDS),
)


def _profiles(rows: Sequence[Named], places: Mapping[str, Mapping], title: str, notes: Sequence[str]):
    """Profile dataset, checked: see :func:`soil_profiles`."""
    numbers = ("top", "bottom", "carbon", "nitrogen", "carbon_error", "nitrogen_error")
    fields = {name: np.array([r.get(name, np.nan) for r in rows], dtype=np.float64) for name in numbers}
    site = np.array([r["site"] for r in rows], dtype=object)
    for k in range(len(rows)):
        if not 0 <= fields["top"][k] < fields["bottom"][k]:
            raise InputError(
                f"{title}: interval {fields['top'][k]:g}-{fields['bottom'][k]:g} m of '{site[k]}', expected 0 <= top < "
                "bottom; correct the depths"
            )
        for name, most in (("carbon", 1e6), ("nitrogen", 1e5)):
            if not np.isnan(fields[name][k]) and not 0 <= fields[name][k] <= most:
                raise InputError(
                    f"{title}: {name} {fields[name][k]:g} g m-2 in '{site[k]}', expected 0..{most:g}; correct the value or "
                    "its unit"
                )
    density = fields["carbon"] / 1000.0 / (fields["bottom"] - fields["top"])
    typical = float(np.median(density[np.isfinite(density)])) if np.isfinite(density).any() else 0.0
    if typical > DENSEST:
        raise InputError(
            f"{title}: half of the intervals hold more than {typical:.0f} kg m-3 of carbon, expected below {DENSEST:g} (dense "
            "peat has 80); correct the unit (t ha-1?)"
        )
    number_of = {name: k for k, name in enumerate(places)}
    order = np.lexsort((fields["top"], np.array([number_of[name] for name in site])))
    over = (site[order][1:] == site[order][:-1]) & (fields["top"][order][1:] < fields["bottom"][order][:-1] - 1e-9)
    if over.any():
        k = order[1:][over][0]
        raise InputError(f"{title}: intervals of '{site[k]}' overlap at {fields['top'][k]:g} m; give each depth once")
    units = {"top": "m", "bottom": "m", "carbon": "gC m-2", "carbon_error": "gC m-2"}
    units |= {"nitrogen": "gN m-2", "nitrogen_error": "gN m-2"}
    made = xr.Dataset(
        {name: ("interval", values, {"units": units[name]}) for name, values in fields.items()}
        | {"site": ("interval", site)}
        | {
            "estimated": ("interval", np.array([bool(r.get("estimated", False)) for r in rows])),
        }
        | {
            name: ("place", np.array([p.get(name, "") for p in places.values()], dtype=object))
            for name in ("community", "vegetation")
        }
        | {
            name: ("place", np.array([p.get(name, np.nan) for p in places.values()], dtype=np.float64))
            for name in ("latitude", "longitude", "elevation", "thaw_depth")
        },
        coords={"place": np.array(list(places), dtype=object)},
        attrs={"title": title, "notes": "\n".join(notes)},
    )
    return made


def profile_table(path: Path | str, group: str = "") -> xr.Dataset:
    """Profiles from any layout of this module, told by columns: :func:`iscn` (``layer_top (cm)``), :func:`pedons`
    (``soc_0_30``), :func:`mean_profiles` (``temveg``), else :func:`soil_profiles`.

    ``group``: the column whose words name the vegetation types ("": the layout's own). Raises ``InputError``.
    """
    header = read_rows(path)[0]
    names = {name.lower() for name in header}
    if "layer_top (cm)" in names:
        return iscn(path, group or "vegclass_local")
    if any(name.startswith("soc_0_") for name in names):
        return pedons(path, group or "veg_class")
    if "temveg" in names:
        if group:
            raise InputError(f"{path}: a table of means by 'temveg' has no other groups; leave '{group}' out")
        return mean_profiles(path)
    return soil_profiles(path, group)


def _column(header: Mapping[str, str], quantity: str, path: Path | str, *, needed: bool) -> tuple[str, float]:
    """Which column of a profile table holds a quantity and the factor to m or g m-2; "" where none does."""
    names = PROFILE_QUANTITIES[quantity]
    found = [name for name in names if name in header]
    if len(found) > 1:
        raise InputError(f"{path}: columns '{found[0]}' and '{found[1]}' both give the {quantity}; keep one")
    if not found and needed:
        raise InputError(
            f"{path}: no column with the {quantity} of intervals; name it {' or '.join(names)}, as its unit is"
        )
    return (found[0], names[found[0]]) if found else ("", np.nan)


def soil_profiles(path: Path | str, group: str = "") -> xr.Dataset:
    """Soil carbon and nitrogen by depth interval from the user's table, columns :data:`PROFILE_COLUMNS`.

    Needed: ``site``, top, bottom and carbon of the intervals, whose column names state the unit (``top_m`` or ``top_cm``,
    ``carbon_kg_m2`` or ``carbon_g_m2``, ...); nitrogen may be absent or empty. Stocks of the interval, not densities.
    ``group``: the column that names the vegetation type ("": ``vegetation`` or ``ecosystem``, else ``community``).
    Returns dims ``interval`` (``site``, ``top``, ``bottom`` in m; ``carbon``, ``nitrogen`` and their errors in
    g m-2, NaN where not observed; ``estimated``: True where the source filled the interval) and ``place`` (``latitude``,
    ``longitude``, ``elevation``, ``community``, ``vegetation``, ``thaw_depth`` in m at sampling). Raises ``InputError``.
    """
    table = read_rows(path, ("site",), PROFILE_COLUMNS)
    columns = {
        name: _column(table[0], name, path, needed=name in ("top", "bottom", "carbon")) for name in PROFILE_QUANTITIES
    }
    words = [name for name in PROFILE_WORDS[:2] if name in table[0]]
    if group and group not in table[0]:
        raise InputError(f"{path}: column '{group}' is missing; {suggest(group, table[0])}")
    if len(words) > 1 and not group:
        raise InputError(
            f"{path}: columns 'vegetation' and 'ecosystem' both name types; say which one groups the profiles"
        )
    kind = group or (words[0] if words else "community")
    rows, places = [], {}
    for item in table:
        site = item["site"]
        if not site:
            raise InputError(f"{path}: an interval has no site; name the profile that it belongs to")
        field = {
            name: number(item.get(name, ""), f"{path}: {name}") for name in ("latitude", "longitude", "elevation_m")
        }
        for name, most in (("latitude", 90.0), ("longitude", 360.0)):
            if abs(field[name]) > most:
                raise InputError(f"{path}: {name} {field[name]:g} of '{site}' is impossible; correct it (swapped?)")
        place = {name: field[name] for name in ("latitude", "longitude")} | {"elevation": field["elevation_m"]}
        place |= {"community": item.get("community", ""), "vegetation": item.get(kind, "")}
        for name, value in places.setdefault(site, place).items():
            if value != place[name] and not (value != value and place[name] != place[name]):
                raise InputError(f"{path}: '{site}' has {name} {value} and {place[name]}; give one in all its rows")
        rows.append(
            {"site": site}
            | {
                name: factor * number(item[column], f"{path}: {column}")
                for name, (column, factor) in columns.items()
                if column
            }
        )
    notes = []
    if all(r["top"] <= 0 and r["bottom"] < 0 for r in rows):
        notes.append(f"{path}: depths are negative there and were taken as heights, positive downwards")
        for r in rows:
            r["top"], r["bottom"] = abs(r["top"]), abs(r["bottom"])
    return _profiles(rows, places, str(path), notes)


PEDON_STOCKS = ("soc_0_30", "soc_0_100", "soc_100_200", "soc_200_300")
MOST_ODD = 0.05
"""Share of pedons with impossible stocks above which a table is refused; fewer are left out and counted."""


def pedons(path: Path | str, group: str = "veg_class") -> xr.Dataset:
    """Soil carbon (kg m-2) of pedons as the NCSCD has them: 0-0.3, 0.3-1, 1-2, 2-3 m; see :func:`soil_profiles`.

    Needed: ``lat``, ``lon``, :data:`PEDON_STOCKS`; ``pedon`` (a number or name), ``thaw_depth_cm`` and ``gapfill_code``
    may be there. ``soc_0_100`` holds the upper 30 cm, so the second interval is their difference; without ``soc_0_30`` it
    is one interval of 0-1 m. ``estimated`` marks intervals below 1 m of pedons whose ``gapfill_code`` names x3, x4 or y
    (deep part extrapolated). No nitrogen. The sample is biased to peat: do not average it as a map. ``group``: the column
    whose words are the vegetation type (also "order", "suborder", "region"; words as the source has them but for case).
    Raises ``InputError``.
    """
    table = read_rows(path, PEDON_STOCKS)
    words = {"latitude": ("lat", "latitude"), "longitude": ("lon", "long", "longitude")}
    at = {field: next((n for n in names if n in table[0]), "") for field, names in words.items()}
    for field, name in at.items():
        if not name:
            raise InputError(f"{path}: column '{words[field][0]}' is missing; {suggest(field, table[0])}")
    if group not in table[0] and group != "veg_class":
        raise InputError(f"{path}: column '{group}' is missing; {suggest(group, table[0])}")
    rows, places, odd, empty = [], {}, [], 0
    for item in table:
        where = f"{path}: line {item.line}"
        site = f"pedon {item.get('pedon') or item.line}"
        if site in places:
            raise InputError(f"{where}: '{site}' is there twice; give each pedon one row")
        place = {n: number(item[c], f"{where}: '{c}'") for n, c in at.items()}
        if abs(place["latitude"]) > 90 or abs(place["longitude"]) > 360:
            raise InputError(
                f"{where}: place ({place['latitude']:g}, {place['longitude']:g}) is impossible; are lat and lon swapped?"
            )
        thaw = number(item.get("thaw_depth_cm", ""), f"{where}: 'thaw_depth_cm'") / 100.0
        places[site] = place | {"thaw_depth": thaw, "vegetation": item.get(group, "").capitalize()}
        upper, metre, second, third = stocks = tuple(number(item[n], f"{where}: '{n}'") for n in PEDON_STOCKS)
        filled = bool({"x3", "x4", "y"} & {code.strip() for code in item.get("gapfill_code", "").split(",")})
        if metre < upper - 1e-6:
            said = ", ".join(f"{v:g}" for v in stocks)
            odd.append(f"{where}: stocks {said} kg m-2 do not give four intervals, 0-30 cm holds more than 0-100 cm")
            metre = np.nan
        parts = [(0.0, 0.3, upper), (0.3, 1.0, max(metre - upper, 0.0) if metre == metre else np.nan)]
        parts = [(0.0, 1.0, metre)] if np.isnan(upper) else parts
        parts = [part for part in (*parts, (1.0, 2.0, second), (2.0, 3.0, third)) if np.isfinite(part[2])]
        empty += not parts
        for top, bottom, stock in parts:
            rows.append(
                {"site": site, "top": top, "bottom": bottom, "carbon": 1000.0 * stock}
                | {"estimated": filled and top >= 1.0}
            )
    if len(odd) > MOST_ODD * len(table):
        raise InputError(f"{odd[0]} ({len(odd)} of {len(table)} pedons); correct them")
    notes = [f"{path}: 0.3-1 m of {len(odd)} pedons left out, 0-30 cm holds more than 0-100 cm"] if odd else []
    notes += [f"{path}: {empty} pedons without any stock"] if empty else []
    return _profiles(rows, places, str(path), notes)


GRAMS_PER_CM2 = 1e4  # g m-2


def iscn(path: Path | str, group: str = "vegclass_local") -> xr.Dataset:
    """Soil layers of the International Soil Carbon Network (version 3, table of layers) as profiles.

    Columns (units in their names): ``site_name``, ``profile_name``, ``lat (dec. deg)``, ``long (dec. deg)``,
    ``layer_top (cm)``, ``layer_bot (cm)``, ``soc (g cm-2)``; where the stock is empty it is ``oc (percent)`` times
    ``bd_samp (g cm-3)`` (or ``bd_tot``, ``bd_whole``) times thickness, and nitrogen likewise from ``n_tot (percent)``.
    Layers above the mineral surface have negative depths there; depths count from the top of a profile. Profiles whose
    layers overlap, and layers without stock or depths, are left out and counted. Raises ``InputError``; see
    :func:`soil_profiles`.
    """
    place = ("lat (dec. deg)", "long (dec. deg)")
    table = read_rows(path, ("profile_name", *place, "layer_top (cm)", "layer_bot (cm)"))
    if not {"soc (g cm-2)", "oc (percent)"} & set(table[0]):
        raise InputError(f"{path}: column 'soc (g cm-2)' is missing; add it or 'oc (percent)' and 'bd_samp (g cm-3)'")
    profiles: dict[str, list[Named]] = {}
    places: dict[str, Named] = {}
    lost = 0
    for item in table:
        where = f"{path}: line {item.line}"

        def value(name: str, item: Row = item, where: str = where) -> float:
            return number(item.get(name, ""), f"{where}: '{name}'")

        site = "/".join(filter(None, (item.get("site_name", ""), item["profile_name"])))
        top, bottom = value("layer_top (cm)") / 100.0, value("layer_bot (cm)") / 100.0
        density = next((v for n in ("samp", "tot", "whole") if (v := value(f"bd_{n} (g cm-3)")) == v), np.nan)
        thick = density * 100.0 * (bottom - top) * GRAMS_PER_CM2  # g m-2 of soil
        stock = value("soc (g cm-2)") * GRAMS_PER_CM2
        carbon = stock if stock == stock else thick * value("oc (percent)") / 100.0
        nitrogen = thick * value("n_tot (percent)") / 100.0
        if not (site and bottom > top and np.isfinite(carbon)):
            lost += 1
            continue
        places.setdefault(
            site, {"latitude": value(place[0]), "longitude": value(place[1]), "vegetation": item.get(group, "")}
        )
        profiles.setdefault(site, []).append(
            {"site": site, "top": top, "bottom": bottom, "carbon": carbon, "nitrogen": nitrogen}
        )
    rows, crossed = [], 0
    for site, layers in profiles.items():
        layers.sort(key=lambda layer: layer["top"])
        if any(b["top"] < a["bottom"] - 1e-9 for a, b in itertools.pairwise(layers)):
            crossed += 1
            del places[site]
            continue
        above = min(layers[0]["top"], 0.0)
        rows += [layer | {"top": layer["top"] - above, "bottom": layer["bottom"] - above} for layer in layers]
    notes = [f"{path}: {lost} layers without depths or carbon left out"] if lost else []
    notes += [f"{path}: {crossed} profiles with overlapping layers left out"] if crossed else []
    if not rows:
        raise InputError(f"{path}: no profile with depths and carbon is left ({'; '.join(notes)}); check the columns")
    return _profiles(rows, places, str(path), notes)


DENSITY_INTERVALS = {
    "0_30": (0.0, 0.3),
    "30_50": (0.3, 0.5),
    "50_100": (0.5, 1.0),
    "100_200": (1.0, 2.0),
    "200plus": (2.0, 3.0),
}
COMMUNITY_OF_TEMVEG = {
    2: "alpine_tundra_polar_desert",
    3: "wet_moist_tundra",
    4: "boreal_forest",
    6: "boreal_forest",
    7: "wet_moist_tundra",
}
TEMVEG_WORDS = {
    2: "alpine tundra and polar desert",
    3: "wet/moist tundra",
    4: "boreal forest",
    6: "boreal woodland",
    7: "non-forested boreal wetland",
}


def mean_profiles(path: Path | str) -> xr.Dataset:
    """Mean carbon and nitrogen by TEM vegetation code of ``cn_density_by_vegetation.csv`` as profiles to 3 m.

    Densities (kg m-3) times thickness; the layer "> 200 cm" counts to 3 m. Errors are standard deviations among cells,
    not of the mean. Site names are ``temveg <code>``. Raises ``InputError``; see :func:`soil_profiles` for the form.
    """
    rows, places = [], {}
    needed = [f"{e}_{part}_{what}" for e in "cn" for part in DENSITY_INTERVALS for what in ("mean", "std")]
    for item in read_rows(path, ("temveg", *needed)):
        site = f"temveg {item['temveg']}"
        code = int(item["temveg"])
        places[site] = {"community": COMMUNITY_OF_TEMVEG.get(code, ""), "vegetation": TEMVEG_WORDS.get(code, site)}
        for part, (top, bottom) in DENSITY_INTERVALS.items():
            made: Named = {"site": site, "top": top, "bottom": bottom}
            for element, letter in (("carbon", "c"), ("nitrogen", "n")):
                for suffix, what in (("", "mean"), ("_error", "std")):
                    density = number(item[f"{letter}_{part}_{what}"], f"{path}: {letter}_{part}_{what}")
                    made[f"{element}{suffix}"] = 1000.0 * density * (bottom - top)
            rows.append(made)
    return _profiles(rows, places, str(path), [])


def cumulative_stocks(
    profiles: xr.Dataset, element: str = "carbon", *, estimated: bool = True
) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each place: bottoms (m) of the intervals that follow without gaps from the surface, stock (g m-2) down to them.

    Empty arrays where the profile does not begin at the surface. ``estimated``: whether intervals that the source filled
    count as known.
    """
    site, values = profiles["site"].values, profiles[element].values
    known = np.isfinite(values) & (estimated | ~profiles["estimated"].values)
    result = []
    for name in profiles["place"].values:
        mine = np.flatnonzero((site == name) & known)
        mine = mine[np.argsort(profiles["top"].values[mine])]
        top, bottom = profiles["top"].values[mine], profiles["bottom"].values[mine]
        gap = np.flatnonzero(np.abs(top - np.concatenate([[0.0], bottom])[: top.size]) > 1e-9)
        end = gap[0] if gap.size else top.size
        result.append((bottom[:end], np.cumsum(values[mine][:end])))
    return result


def interval_stocks(
    profiles: xr.Dataset, intervals: Sequence[tuple[float, float]], element: str = "carbon"
) -> np.ndarray:
    """Carbon or nitrogen (g m-2) of each place in given depth intervals (m), (place, interval); NaN where not known
    throughout.

    A layer that reaches over the edge of an interval is divided by thickness unless it is thicker than the interval (a
    stock of 0-1 m says nothing about the upper 0.3 m).
    """
    order = {name: k for k, name in enumerate(profiles["place"].values)}
    place = np.array([order[name] for name in profiles["site"].values], dtype=int)
    top, bottom, amount = (profiles[name].values for name in ("top", "bottom", element))
    result = np.full((len(order), len(intervals)), np.nan)
    for k, (begin, end) in enumerate(intervals):
        inside = np.minimum(bottom, end) - np.maximum(top, begin)
        whole = (top >= begin - 1e-9) & (bottom <= end + 1e-9)
        use = (inside > 1e-9) & np.isfinite(amount) & (whole | (bottom - top <= end - begin + 1e-9))
        covered = np.bincount(place[use], weights=inside[use], minlength=len(order))
        total = np.bincount(place[use], weights=(amount * inside / (bottom - top))[use], minlength=len(order))
        known = covered >= end - begin - 1e-6
        result[known, k] = total[known]
    return result


def stock_above(
    profiles: xr.Dataset, depth: np.ndarray, element: str = "carbon", *, estimated: bool = True
) -> np.ndarray:
    """Stock (g m-2) from the surface to ``depth`` (place,) in m, (place,): the active layer's where depth is its base.

    Density is uniform within an interval. NaN where the profile is not known without gaps from the surface to the depth;
    ``estimated``: whether intervals that the source filled count as known.
    """
    result = np.full(profiles.sizes["place"], np.nan)
    for k, (bottom, stock) in enumerate(cumulative_stocks(profiles, element, estimated=estimated)):
        if bottom.size and 0 <= depth[k] <= bottom[-1] + 1e-9:
            result[k] = np.interp(depth[k], np.concatenate([[0.0], bottom]), np.concatenate([[0.0], stock]))
    return result


def active_layer_stocks(path: Path | str, places: Sequence[str]) -> dict[str, np.ndarray]:
    """Simulated active layers of ``places`` from a table: site, active_layer_thickness_m, carbon_kg_m2[, nitrogen_kg_m2].

    Returns ``thaw`` (m), ``carbon`` and ``nitrogen`` (g m-2), each (place,), NaN where the table has nothing. Sites that are
    not among ``places`` are left out. Raises ``InputError``, also where no site is known.
    """
    needed = ("site", "active_layer_thickness_m", "carbon_kg_m2")
    rows = {item["site"]: item for item in read_rows(path, needed, (*needed, "nitrogen_kg_m2"))}
    if not set(rows) & set(places):
        first = next(iter(rows))
        raise InputError(f"{path}: none of its sites has a profile, e.g. '{first}'; {suggest(first, places)}")
    columns = {"thaw": (needed[1], 1.0), "carbon": (needed[2], 1000.0), "nitrogen": ("nitrogen_kg_m2", 1000.0)}
    return {
        name: factor * np.array([number(rows.get(place, {}).get(column, ""), f"{path}: {column}") for place in places])
        for name, (column, factor) in columns.items()
    }

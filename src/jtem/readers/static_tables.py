"""Fixed fields that are no one netCDF file - a Dataset, a table of cells, a raster for each field - as one."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest
from jtem.readers import fields, layouts

if TYPE_CHECKING:
    import pandas as pd

AXES = {"lat": "latitude", "latitude": "latitude", "lon": "longitude", "long": "longitude", "longitude": "longitude"}
DEGREES = {"latitude": "degrees_north", "longitude": "degrees_east"}


def as_file(static: xr.Dataset | pd.DataFrame | Mapping[str, str | Path], names: Mapping[str, str]) -> Path:
    """The netCDF file of fixed fields given otherwise, in a folder that goes when Python ends; raises ``InputError``."""
    if isinstance(static, xr.Dataset):
        made = static
    elif isinstance(static, Mapping):
        made = of_files(static)
        made = made.rename({old: new for old, new in names_in(names).items() if old in made})
    elif hasattr(static, "columns") and hasattr(static, "reset_index"):
        made = of_table(static)
    else:
        raise InputError(
            f"static is a {type(static).__name__}, expected the path of a CF file, a Dataset, a DataFrame or a file for each "
            "field; give one of them"
        )
    known = {names_in(names).get(called, called) for called in layouts.STATIC_NAMES.values()}
    if not known & set(map(str, made.variables)):
        raise InputError(f"static has none of {', '.join(sorted(known))}; rename its variables or give 'names'")
    folder = Path(tempfile.mkdtemp(prefix="jtem-static-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "static.nc"
    try:
        made.to_netcdf(path)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"static cannot be written as netCDF ({error}); give numbers with units as attributes"
        ) from None
    return path


def names_in(names: Mapping[str, str]) -> dict[str, str]:
    """What ``names`` calls fixed fields otherwise than usual."""
    return {layouts.STATIC_NAMES[name]: called for name, called in names.items() if name in layouts.STATIC_NAMES}


def of_table(table: pd.DataFrame) -> xr.Dataset:
    """A row a cell; raises ``InputError`` where no columns say where the cells lie."""
    rows = table.reset_index()
    rows = rows.rename(columns={c: AXES[str(c).lower()] for c in rows.columns if str(c).lower() in AXES})
    for axis in DEGREES:
        if axis not in rows.columns:
            raise InputError(f"static has no column '{axis}'; add it in degrees, or give the table that index")
    twice = rows.duplicated(list(DEGREES))
    if twice.any():
        at = rows[twice].iloc[0]
        raise InputError(f"static has the cell {at['latitude']:g}, {at['longitude']:g} twice; drop one of its rows")
    found = {
        str(name): ("cell", np.asarray(rows[name])) for name in rows.columns if name not in (*DEGREES, "index", "cell")
    }
    places = {axis: ("cell", np.asarray(rows[axis], np.float64), {"units": unit}) for axis, unit in DEGREES.items()}
    return xr.Dataset(found, places)


def of_files(files: Mapping[str, str | Path]) -> xr.Dataset:
    """A file for each field, all of the same cells; raises ``InputError``."""
    made: dict[str, xr.DataArray] = {}
    for name, given in files.items():
        if name not in layouts.STATIC_NAMES:
            raise InputError(f"static: unknown field '{name}'; {suggest(name, layouts.STATIC_NAMES)}")
        if not isinstance(given, str | Path):
            raise InputError(
                f"static['{name}'] is a {type(given).__name__}, expected the path of a raster or CF file; give one"
            )
        field = fields.need(Path(given))
        first = next(iter(made.values()), None)
        axes = {"latitude": field.latitude, "longitude": field.longitude}
        if first is not None:
            for axis, values in axes.items():
                if first[axis].size != values.size or np.abs(first[axis].values - values).max() > 1e-6:
                    raise InputError(
                        f"{given}: '{name}' has other {axis}s than '{next(iter(made))}'; bring all rasters to the same cells "
                        "(gdalwarp -te -tr)"
                    )
        said = {key: value for key, value in field.attributes.items() if key in ("units", "long_name", "standard_name")}
        made[name] = xr.DataArray(
            np.asarray(field.values, np.float64),
            {axis: (axis, values, {"units": DEGREES[axis]}) for axis, values in axes.items()},
            ("latitude", "longitude"),
            attrs=said,
        )
    return xr.Dataset({layouts.STATIC_NAMES[name]: field for name, field in made.items()})

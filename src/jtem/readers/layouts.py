"""What the files of known sources call the three variables, and what their amounts mean: a few lines a source.

Everything else (calendar, units, coordinates, months) comes from the attributes, by the same readers for all. Layouts as
published:

- ``cmip6``: table Amon of the CMIP6 data request (tas K, pr kg m-2 s-1, rsds W m-2, ``time_bnds``).
- ``cesm``: history of CTSM/CLM, ELM and CAM/EAM: TSA, TBOT or TREFHT (K), RAIN + SNOW (mm/s) or PRECC + PRECL (m/s), FSDS
  (W/m2 or W/m^2), with ``time_bounds`` or ``time_bnds``; stamped at the end of the month, since CTSM 5.3 in its middle
  (ESCOMP/CTSM ``histFileMod.F90`` and pull request 2838).
- ``era5``: ERA5 and ERA5-Land monthly averaged data on single levels (documentation of the Climate Data Store): t2m (K), tp (m,
  mean of daily sums), ssrd (J m-2, mean of daily sums), or mean rates; stamped at the start of the month. Files of before 2024
  that mix ERA5 and ERA5T have a dimension ``expver`` (1 and 5): ERA5 counts where it is there.
- ``cru_ts``: CRU TS 4 (Harris et al. 2020): tmp (degrees Celsius), pre (mm/month), cld (percentage).
- ``crujra``: CRU JRA 2 (University of East Anglia): six-hourly tmp (Degrees Kelvin), pre (mm/6h), dswrf (J m-2 in six hours),
  365-day calendar; TRENDY gives light as tswrf (W m-2; its fd is the diffuse share, not light). Texts of units as in
  MPI-M's scripts for JSBACH.
- ``gswp3_w5e5``: daily files of ISIMIP3a (tas K, pr kg m-2 s-1, rsds W m-2), by decade; CHELSA-W5E5 there, by month.
- ``terraclimate``: TerraClimate (Abatzoglou et al. 2018): tmax, tmin (degC), ppt (mm), srad (W/m^2), stamped on the first; since
  version 1.1 tmmx, tmmn (C), pr (mm), srad (W m-2), as in gridMET.
- ``chelsa``: CHELSA 2.1 monthly (Karger et al. 2017): tas (K), pr (kg m-2 month-1), rsds (MJ m-2 d-1), published as rasters (see
  ``raster_series``); also as netCDF.
- ``daymet``: Daymet 4 (Thornton et al. 2021, user guides of ORNL DAAC 2129 and 2131): tmax, tmin (degrees C), prcp (mm); monthly
  files have no radiation: a file with rsds on the same cells goes with them. Daily files have srad (W/m2, mean over the daylight)
  and dayl (s), whose product is the light of the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jtem.errors import InputError, suggest
from jtem.readers import cf

CLIMATE_NAMES = {"air_temperature": "tas", "precipitation": "pr", "shortwave_radiation": "rsds"}
STATIC_NAMES = {
    "elevation": "elevation",
    "sand": "sand",
    "silt": "silt",
    "clay": "clay",
    "vegetation": "vegetation",
    "area": "area",
    "soil_organic_carbon": "soil_organic_carbon",
    "inundated_fraction": "inundated_fraction",
}


@dataclass(frozen=True)
class Part:
    """One way to a variable: ``how`` "" (as it is), "sum", "mean", "cloud" or "daylight", of ``names`` in the files."""

    names: tuple[str, ...]
    how: str = ""


@dataclass(frozen=True)
class Layout:
    """One source: ways to each variable, first one that the files have; ``stamp`` and ``per_day`` as in ``time_axis``, ``units``.

    ``units``: units of variables whose attribute is known to be wrong or absent in the published files.
    """

    air_temperature: tuple[Part, ...]
    precipitation: tuple[Part, ...]
    shortwave_radiation: tuple[Part, ...]
    stamp: str = ""
    per_day: bool = False
    units: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""

    @property
    def parts(self) -> tuple[Part, ...]:
        """All ways to all variables."""
        return (*self.air_temperature, *self.precipitation, *self.shortwave_radiation)


def _one(*names: str) -> tuple[Part, ...]:
    return tuple(Part((name,)) for name in names)


_CMIP = Layout(_one("tas"), _one("pr"), _one("rsds"))
LAYOUTS: Mapping[str, Layout] = {
    "cmip6": _CMIP,
    "cesm": Layout(
        _one("TSA", "TREFHT", "TBOT"),
        (
            Part(("RAIN_FROM_ATM", "SNOW_FROM_ATM"), "sum"),
            Part(("RAIN", "SNOW"), "sum"),
            Part(("PRECC", "PRECL"), "sum"),
            Part(("PRECT",)),
        ),
        _one("FSDS"),
        stamp="end",
    ),
    "era5": Layout(_one("t2m", "mean_t2m"), _one("tp", "mtpr", "avg_tprate"), _one("ssrd", "msdwswrf", "avg_sdswrf"),
                   stamp="start", per_day=True),
    "cru_ts": Layout(_one("tmp"), _one("pre"), (Part(("cld",), "cloud"), *_one("rsds"))),
    "crujra": Layout(_one("tmp"), _one("pre"), _one("dswrf", "tswrf")),
    "gswp3_w5e5": _CMIP,
    "terraclimate": Layout((Part(("tmin", "tmax"), "mean"), Part(("tmmn", "tmmx"), "mean")), _one("ppt", "pr"), _one("srad")),
    "chelsa": Layout(_one("tas"), _one("pr"), _one("rsds")),
    "daymet": Layout((Part(("tmin", "tmax"), "mean"),), _one("prcp"), (*_one("rsds"), Part(("srad", "dayl"), "daylight")),
                     hint="Daymet's monthly files have no radiation; add a file with rsds on its cells, or take the daily "
                     "files with srad and dayl"),
}  # fmt: skip
DEFAULT = _CMIP


def layout(word: str) -> Layout:
    """The layout of a word of the plan; raises ``InputError``."""
    if word not in LAYOUTS:
        raise InputError(f"layout '{word}' is unknown; {suggest(word, LAYOUTS)}")
    return LAYOUTS[word]


def guess(variables: set[str]) -> str:
    """The one layout whose three variables the files have; "" where none or several fit (or the usual names do)."""

    def fits(one: Layout) -> bool:
        ways = (one.air_temperature, one.precipitation, one.shortwave_radiation)
        return all(any(set(part.names) <= variables for part in way) for way in ways)

    if fits(DEFAULT):
        return ""
    found = [word for word, one in LAYOUTS.items() if fits(one)]
    return found[0] if len(found) == 1 else ""


def check_names(names: Mapping[str, str] | None) -> dict[str, str]:
    """``[domain.names]``: house names or coordinates to names in the files; an unknown key raises ``InputError``."""
    known = (*CLIMATE_NAMES, *STATIC_NAMES, *cf.COORDINATES)
    for key in names or {}:
        if key not in known:
            raise InputError(f"[domain.names]: unknown key '{key}'; {suggest(key, known)}")
    return dict(names or {})

"""CO2 as observatories and modelling projects publish it: headers below pages of words, and netCDF files of global means."""

import datetime

import netCDF4
import numpy as np
import pytest

from jtem.errors import InputError
from jtem.readers import co2

YEARS = range(1995, 2015)
LAST_BITS = 1e-14  # a mean of twelve and a change of units: 1.1e-16 measured
PPM = {year: 355.0 + 2.0 * (year - 1990) for year in YEARS}
MONTHS = [(year, month) for year in YEARS for month in range(1, 13)]
NORTH, SOUTH = 1.5, -1.2
"""What the hemispheres differ by from the globe."""


def of_month(year: int, month: int) -> float:
    """A month's CO2; the mean of a year is PPM."""
    return PPM[year] + 3.0 * np.sin(2 * np.pi * (month - 0.5) / 12)


# --- tables ----------------------------------------------------------------------------------------------------------


def scripps(path, station=True, lost=(2003, 4)):
    """Scripps CO2 Program, ``monthly_in_situ_co2_mlo.csv``: quoted words, three lines of names, the station since 2022."""
    more = ", Sta", ", ", ","
    rows = []
    for year, month in MONTHS:
        true = of_month(year, month)
        value = -99.99 if (year, month) == lost else true
        place = (", MLO" if year < 2010 else ", MKO") if station else ""
        rows.append(
            f"{year}, {month:02d},   37000, {year + (month - 0.5) / 12:.4f},   {value:.6f},   {true - 1:.2f},     {true + 1:.2f},"
            f"   {true + 2:.2f},     {true:.6f},   {true - 1:.2f}{place}"
        )
    head = [
        '"-----------------------------------------------------------------"',
        '" Atmospheric CO2 concentrations (ppm) derived from in situ air    "',
        '" in "A book of the subject, with a comma", editors of 2005; New   "',
        '"                                                                 "',
        "  Yr, Mn,    Date,      Date,     CO2,seasonally,        fit,  seasonally,      CO2, seasonally",
        "    ,   ,        ,          ,        ,  adjusted,           ,adjusted fit,   filled,adjusted filled",
        "    ,   ,   Excel,          ,   [ppm],    [ppm] ,      [ppm],    [ppm],       [ppm],    [ppm]",
    ]
    head[4:] = [line + add for line, add in zip(head[4:], more, strict=True)] if station else head[4:]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


def magicc(path, blocks=True):
    """MAGICC and the RCP database, ``RCP45_MIDYR_CONC.DAT``: words, a block of settings, numbers and units of columns, names."""
    head = [
        ".__  __  ____ ; harmonised concentrations, mid-year values",
        "DATE: 26/11/2009 11:29:06; MAGICC-VERSION: 6.3.09",
        "&THISFILE_SPECIFICATIONS",
        " THISFILE_DATACOLUMNS    =          5 ,",
        " THISFILE_UNITS          = 'SEE ROW 38',",
        "/",
        "   COLUMN:          1             2        3      4      5",
        "    UNITS:        ppm           ppm      ppm    ppb    ppb",
    ]
    names = ["     YEARS        CO2EQ   KYOTO-CO2EQ      CO2    CH4    N2O"]
    rows = [f"      {y}   {0.9 * v:.8E}  {1.1 * v:.8E}  {v:.8E}  7.2E+02  2.7E+02" for y, v in PPM.items()]
    path.write_text("\n".join([*(head if blocks else []), *names, *rows]) + "\n", encoding="utf-8")


def means_of_hemispheres(path):
    """input4MIPs for CMIP6, global and hemispheric means as CSV."""
    rows = [f"{y},{v},{v + NORTH},{v + SOUTH}" for y, v in PPM.items()]
    path.write_text("\n".join(["year,data_mean_global,data_mean_nh,data_mean_sh", *rows]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("station", [False, True])
def test_scripps(tmp_path, station):
    path = tmp_path / "monthly_in_situ_co2_mlo.csv"
    scripps(path, station)
    np.testing.assert_allclose(co2.read_table(path, 1995, 2002), [PPM[y] for y in range(1995, 2003)], rtol=LAST_BITS)
    with pytest.raises(InputError, match="CO2 of 2003-04 is missing"):
        co2.read_table(path, 1995, 2014)
    filled = co2.read_table(path, 1995, 2014, "CO2 filled")
    np.testing.assert_allclose(filled, list(PPM.values()), rtol=LAST_BITS)


@pytest.mark.parametrize("blocks", [False, True])
def test_magicc(tmp_path, blocks):
    path = tmp_path / "RCP45_MIDYR_CONC.DAT"
    magicc(path, blocks)
    np.testing.assert_allclose(co2.read_table(path, 1995, 2014), list(PPM.values()), rtol=LAST_BITS)


def test_table_of_hemispheres(tmp_path):
    path = tmp_path / "co2.csv"
    means_of_hemispheres(path)
    assert co2.read_table(path, 1995, 2014).tolist() == list(PPM.values())
    assert co2.read_table(path, 1995, 1995, "data_mean_nh").tolist() == [PPM[1995] + NORTH]


# --- netCDF ----------------------------------------------------------------------------------------------------------


def write(path, variables, **dims):
    with netCDF4.Dataset(str(path), "w") as data:
        for name, size in dims.items():
            data.createDimension(name, size)
        for name, (along, values, said) in variables.items():
            made = data.createVariable(name, np.asarray(values).dtype, along)
            made.setncatts(said)
            made[...] = values


def day(year, month, date=1, since=datetime.date(1850, 1, 1)):
    return (datetime.date(year, month, date) - since).days


def after(year, month):
    return (year, month + 1) if month < 12 else (year + 1, 1)


DAYS_OF_YEAR_ZERO = 366
"""In the proleptic calendar, in which the year 0 is a leap year."""


def cmip6(path, monthly=True, offset=0, unit="1.e-6", factor=1.0, sector="0: Global; 1: Northern Hemisphere; 2: South"):
    """input4MIPs for CMIP6, GMNHSH: sectors, days since the year 0 in a calendar without one, times in float32.

    As the headers at wdc-climate.de, entries I4M_5359673 (history) and I4M_5359795 (scenario), show them.
    """
    steps = MONTHS if monthly else [(y, 7) for y in YEARS]
    middle = [day(y, m, 15 if monthly else 2, datetime.date(1, 1, 1)) + DAYS_OF_YEAR_ZERO + offset for y, m in steps]
    globe = np.array([of_month(y, m) if monthly else PPM[y] for y, m in steps])
    values = factor * np.stack([globe, globe + NORTH, globe + SOUTH], axis=1)
    write(
        path,
        {
            "time": (("time",), np.array(middle, np.float32), {"units": "days since 0-1-1", "calendar": "gregorian"}),
            "sector": (("sector",), np.arange(3, dtype=np.int32), {"ids": sector}),
            "mole_fraction_of_carbon_dioxide_in_air": (
                ("time", "sector"),
                values,
                {"units": unit, "long_name": "mole"},
            ),
        },
        time=len(steps),
        sector=3,
    )


def cmip7(path, monthly=False, unit="ppm", factor=1.0):
    """input4MIPs for CMIP7, global means: a variable co2, times with bounds."""
    steps = MONTHS if monthly else [(y, 1) for y in YEARS]
    bounds = np.array([[day(y, m), day(*(after(y, m) if monthly else (y + 1, 1)))] for y, m in steps], float)
    values = factor * np.array([of_month(y, m) if monthly else PPM[y] for y, m in steps])
    clock = {"units": "days since 1850-01-01", "calendar": "proleptic_gregorian", "bounds": "time_bnds"}
    write(
        path,
        {
            "time": (("time",), bounds.mean(axis=1), clock),
            "time_bnds": (("time", "bnds"), bounds, {}),
            "co2": (("time",), values, {"units": unit}),
        },
        time=len(steps),
        bnds=2,
    )


def by_year(path, **said):
    """A file with the years themselves, as land models have it."""
    years = np.array(list(YEARS), np.int32)
    write(
        path, {"year": (("year",), years, {}), "co2": (("year",), np.array(list(PPM.values())), said)}, year=years.size
    )


LAYOUTS = {
    "CMIP6, months": cmip6,
    "CMIP6, years": lambda p: cmip6(p, monthly=False),
    "CMIP6, days counted from the Julian year 0": lambda p: cmip6(p, offset=2),
    "CMIP6, years so": lambda p: cmip6(p, monthly=False, offset=2),
    "CMIP7, years": cmip7,
    "CMIP7, months": lambda p: cmip7(p, monthly=True),
    "mole fractions": lambda p: cmip7(p, unit="mol mol-1", factor=1e-6),
    "billionths": lambda p: cmip7(p, unit="ppb", factor=1e3),
    "micromoles": lambda p: cmip7(p, unit="µmol mol-1"),
    "a number as unit": lambda p: cmip7(p, unit="1", factor=1e-6),
    "years": by_year,
    "years in ppmv": lambda p: by_year(p, units="ppmv"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_of_global_means(tmp_path, layout):
    path = tmp_path / "co2.nc"
    LAYOUTS[layout](path)
    np.testing.assert_allclose(co2.read_table(path, 1995, 2014), list(PPM.values()), rtol=LAST_BITS)
    with pytest.raises(InputError, match=r"CO2 of 2015 is missing .table has 1995-2014"):
        co2.read_table(path, 2014, 2015)


def zonal(path):
    values = np.full((len(YEARS), 12), 380.0)
    write(
        path,
        {
            "year": (("year",), np.array(list(YEARS)), {}),
            "lat": (("lat",), np.linspace(-82.5, 82.5, 12), {"units": "degrees_north"}),
            "co2": (("year", "lat"), values, {"units": "ppm"}),
        },
        year=len(YEARS),
        lat=12,
    )


REFUSED = {
    "by latitude": (zonal, "'co2' has 12 values along 'lat', expected one; give a file of global means"),
    "sectors without names": (lambda p: cmip6(p, sector="1, 2, 3"), "has 3 values along 'sector', expected one"),
    "by mass": (lambda p: cmip7(p, unit="kg kg-1"), "'co2' is in 'kg kg-1', expected a mole fraction"),
    "wrong unit": (lambda p: cmip7(p, factor=1e-6), "CO2 of 1995 is 0.000365, expected 100..5000 ppm"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_files_that_are_refused(tmp_path, case):
    make, says = REFUSED[case]
    path = tmp_path / "co2.nc"
    make(path)
    with pytest.raises(InputError, match=says):
        co2.read_table(path, 1995, 2014)


def test_another_gas_is_refused_and_variables_can_be_named(tmp_path):
    path = tmp_path / "ch4.nc"
    write(
        path,
        {
            "year": (("year",), np.array(list(YEARS)), {}),
            "ch4": (("year",), np.full(len(YEARS), 1800.0), {"units": "ppb"}),
            "ssp585": (("year",), np.array(list(PPM.values())), {"units": "ppm"}),
        },
        year=len(YEARS),
    )
    with pytest.raises(InputError, match=r"no variable 'co2' of CO2; .*ssp585.*'co2_column' says which"):
        co2.read_table(path, 1995, 2014)
    assert co2.read_table(path, 1995, 2014, "ssp585").tolist() == list(PPM.values())


def test_a_month_that_is_missing(tmp_path):
    path = tmp_path / "co2.nc"
    cmip7(path, monthly=True)
    with netCDF4.Dataset(str(path), "a") as data:
        data["co2"].setncattr("missing_value", -999.0)
        data["co2"][30] = -999.0
    with pytest.raises(InputError, match=r"CO2 of 1997-07 is missing .11 of 12 months"):
        co2.read_table(path, 1995, 2014)

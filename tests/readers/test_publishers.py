"""Layouts of publishers and models that the other tables of layouts lack: axis orders, clocks, bounds, packing, tables.

Each function says whose files they are; names, units and clocks are those of the publisher's own files or user guide.
"""

import calendar
import datetime

import numpy as np
import pytest
from layout_files import (
    EAST,
    FIRST,
    LAST,
    LATITUDE,
    LONGITUDE,
    NORTH,
    UNITS,
    axes,
    climate,
    days,
    on_grid,
    plain,
    stamps,
    steps,
    time,
    truth,
    write,
)
from test_layouts import compare, read

from jtem.errors import InputError
from jtem.readers import co2, ground, site_table

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")
VALUES, DAYS, GRID = on_grid(), days("standard"), ("time", "lat", "lon")
LAT, LON = (x.ravel() for x in np.meshgrid(LATITUDE, LONGITUDE, indexing="ij"))
LIST = truth(LAT, LON)
MONTHS = [(year, month) for year in range(FIRST, LAST + 1) for month in range(1, 13)]


def called(air: str, rain: str, light: str) -> dict:
    return {"names": {"air_temperature": air, "precipitation": rain, "shortwave_radiation": light}}


def fields(dims=GRID, **content) -> dict:
    """Variables: name = (values, units, further attributes)."""
    return {name: (dims, values, {"units": unit} | said) for name, (values, unit, said) in content.items()}


def clock(values, **said) -> dict:
    return {"time": (("time",), np.asarray(values), said)}


# --- grids -----------------------------------------------------------------------------------------------------------


def nclimgrid(p):
    """NOAA NCEI nClimGrid monthly: tavg and prcp in files of their own, stamped on the first, since 1800."""
    at = clock(stamps("start", "standard", units="days since 1800-01-01"), units="days since 1800-01-01 00:00:00")
    mean = {"cell_methods": "time: mean within days time: mean over days", "standard_name": "air_temperature"}
    total = {"cell_methods": "time: sum", "standard_name": "precipitation_amount"}
    content = {"tavg": (VALUES["tas"], "degree_Celsius", mean), "prcp": (VALUES["pr"], "millimeter", total)}
    files = [write(p / f"{name}.nc", at | axes() | fields(**{name: own})) for name, own in content.items()]
    return [*files, write(p / "rsds.nc", at | axes() | {"rsds": climate()["rsds"]})], called("tavg", "prcp", "rsds")


def gpcc(p):
    """DWD GPCC full data monthly: precip in mm/month, north to south, single precision, -99999.99 missing."""
    at = clock(stamps("start", "standard", units="days since 1891-01-01"), units="days since 1891-01-01 00:00:00")
    place = axes(LATITUDE[::-1])
    rain = VALUES["pr"][:, ::-1].astype("f4"), "mm/month", {"_FillValue": np.float32(-99999.99)}
    other = write(p / "t.nc", at | axes() | {n: climate()[n] for n in ("tas", "rsds")})
    return [other, write(p / "precip.nc", at | place | fields(precip=rain))], called("tas", "precip", "rsds")


def nasa_power(p):
    """NASA POWER monthly regional files: YYYYMM, C, mm/day, kW-hr/m^2/day."""
    at = clock([100 * y + m for y, m in MONTHS], units="YYYYMM")
    made = fields(
        T2M=(VALUES["tas"], "C", {"long_name": "Temperature at 2 Meters"}),
        PRECTOTCORR=(VALUES["pr"] / DAYS, "mm/day", {"long_name": "Precipitation Corrected"}),
        ALLSKY_SFC_SW_DWN=(VALUES["rsds"] * 0.024, "kW-hr/m^2/day", {}),
    )
    return [write(p / "a.nc", at | axes() | made)], called("T2M", "PRECTOTCORR", "ALLSKY_SFC_SW_DWN")


def ceres_ebaf(p):
    """NASA CERES EBAF surface: months on the 15th, 0 to 360 degrees, -999 missing."""
    light = VALUES["rsds"].astype("f4"), "W m-2", {"_FillValue": np.float32(-999.0)}
    made = fields(
        t=(VALUES["tas"] + 273.15, "K", {}), p=(VALUES["pr"] / DAYS, "mm day-1", {}), sfc_sw_down_all_mon=light
    )
    return [write(p / "a.nc", time(14.0, "standard") | axes(longitude=LONGITUDE % 360) | made)], called(
        "t", "p", "sfc_sw_down_all_mon"
    )


def e_obs(p):
    """E-OBS daily: tg, rr and qq in files of their own, stamped at midnight since 1950."""
    at, month = steps(1, "standard", "start")
    when = clock((at - 36524).astype("i8"), units="days since 1950-01-01 00:00", calendar="standard")
    content = {"tg": (VALUES["tas"], "Celsius"), "rr": (VALUES["pr"] / DAYS, "mm"), "qq": (VALUES["rsds"], "W/m2")}
    names = ("latitude", "longitude")
    files = [
        write(p / f"{n}.nc", when | axes(names=names) | fields(("time", *names), **{n: (v[month].astype("f4"), u, {})}))
        for n, (v, u) in content.items()
    ]
    return files, called("tg", "rr", "qq") | {"rtol": 2e-6}


def gridmet(p):
    """gridMET daily: coordinate ``day``, north to south, unsigned packed shorts."""
    at, month = steps(1, "standard", "start")
    when = {"day": (("day",), at - 18262, {"units": "days since 1900-01-01 00:00:00", "long_name": "time"})}
    light = "surface_downwelling_shortwave_flux_in_air"
    content = {
        "air_temperature": (VALUES["tas"] + 273.15, "K", 2e-3, 200.0),
        "precipitation_amount": (VALUES["pr"] / DAYS, "mm", 1e-4, 0.0),
        light: (VALUES["rsds"], "W m-2", 1e-2, 0.0),
    }
    made = {}
    for name, (values, unit, scale, offset) in content.items():
        said = {"scale_factor": scale, "add_offset": offset, "_Unsigned": "true", "_FillValue": np.uint16(65535)}
        packed = np.round((values[month][:, ::-1] - offset) / scale).astype("u2")
        made |= fields(("day", "lat", "lon"), **{name: (packed, unit, said)})
    return [write(p / "a.nc", when | axes(LATITUDE[::-1]) | made)], called(
        "air_temperature", "precipitation_amount", light
    ) | {"atol": 6e-3}


def e3sm_columns(p):
    """E3SM EAM on its spectral elements (ncol): PRECC and PRECL in m/s, stamped at the end, with bounds."""
    each, dims = days()[:, :, 0], ("time", "ncol")
    place = {"lat": (("ncol",), LAT, NORTH), "lon": (("ncol",), LON % 360, EAST)}
    rain = LIST["pr"] / 1000 / 86400 / each
    made = fields(
        dims, TREFHT=(LIST["tas"] + 273.15, "K", {}), PRECC=(0.3 * rain, "m/s", {}), PRECL=(0.7 * rain, "m/s", {}),
        FSDS=(LIST["rsds"], "W/m2", {}),
    )  # fmt: skip
    return [write(p / "eam.h0.nc", time("bounds", stamp="end") | place | made)], {}


def icon(p):
    """ICON: cells with centres in radians, ``day as %Y%m%d.%f``, stamped at the last step of the month (23:45)."""
    ends = [10000 * y + 100 * m + calendar.monthrange(y, m)[1] + 1 - 1 / 96 for y, m in MONTHS]
    place = {
        name: (("ncells",), np.deg2rad(values), {"units": "radian", "standard_name": kind})
        for name, values, kind in (("clat", LAT, "latitude"), ("clon", LON, "longitude"))
    }
    content = (("tas", LIST["tas"] + 273.15, "K"), ("pr", LIST["pr"] / 86400 / DAYS[:, :, 0], "kg m-2 s-1"),
               ("rsds", LIST["rsds"], "W m-2"))  # fmt: skip
    made = fields(("time", "ncells"), **{n: (v, u, {"coordinates": "clat clon"}) for n, v, u in content})
    when = clock(ends, units="day as %Y%m%d.%f", calendar="proleptic_gregorian")
    return [write(p / "icon.nc", when | place | made)], {}


def last_steps_beyond_the_years(p):
    """The same clock in a file that begins in the November before: nothing but 23:45 tells the month."""
    at = stamps("end", "standard", FIRST - 1, LAST + 1)[10:] - 1 / 96
    rows = np.clip(np.arange(at.size) - 2, 0, 23)
    when = clock(at, units="days since 1850-01-01", calendar="standard")
    return [write(p / "a.nc", when | axes() | climate({n: v[rows] for n, v in VALUES.items()}))], {}


def lmdz(p):
    """IPSL LMDZ: time_counter in a calendar called 360d, kg/(s*m2)."""
    at = stamps("middle", "360_day", units="seconds since 1980-01-01")
    when = {"time_counter": (("time_counter",), at, {"units": "seconds since 1980-01-01 00:00:00", "calendar": "360d"})}
    made = fields(
        ("time_counter", "lat", "lon"), t2m=(VALUES["tas"] + 273.15, "K", {}),
        precip=(VALUES["pr"] / 86400 / 30, "kg/(s*m2)", {}), SWdnSFC=(VALUES["rsds"], "W/m2", {}),
    )  # fmt: skip
    return [write(p / "histmth.nc", when | axes() | made)], called("t2m", "precip", "SWdnSFC")


def regcm(p):
    """RegCM: iy and jx, xlat and xlon, hours since 1949-12-01, bounds with units of their own, a height of one."""
    unit = "hours since 1949-12-01 00:00:00 UTC"
    when = time("bounds", "proleptic_gregorian", "hours since 1949-12-01", stamp="middle")
    for name in when:
        when[name][2].update(units=unit, calendar="proleptic_gregorian")
    place = {"xlat": (("iy", "jx"), LAT.reshape(3, 4), NORTH), "xlon": (("iy", "jx"), LON.reshape(3, 4), EAST)}
    said = {"coordinates": "xlat xlon", "cell_methods": "time: mean"}
    made = fields(("time", "m2", "iy", "jx"), tas=(VALUES["tas"][:, None] + 273.15, "K", said)) | fields(
        ("time", "iy", "jx"), pr=(VALUES["pr"] / 86400 / DAYS, "kg m-2 s-1", said), rsds=(VALUES["rsds"], "W m-2", said)
    )
    return [write(p / "a.nc", when | place | made)], {}


def physical_sciences_laboratory(p):
    """NOAA PSL of before 2014: hours since 1-1-1 in the mixed calendar, two days beside the proleptic one."""
    since = stamps("start", "standard", units="hours since 1800-01-01") + 15769752.0
    return [plain(p / "a.nc", clock(since, units="hours since 1-1-1 00:00:0.0", long_name="Time"))], {}


def matlab(p):
    """datenum of MATLAB: days since the year 0."""
    since = [datetime.date(y, m, 15).toordinal() + 366.0 for y, m in MONTHS]
    return [plain(p / "a.nc", clock(since, units="days since 0000-01-01 00:00:00", calendar="proleptic_gregorian"))], {}


def julian_day_numbers(p):
    """Julian day numbers, days since noon of -4713-01-01."""
    since = [datetime.date(y, m, 15).toordinal() + 1721425.0 for y, m in MONTHS]
    return [plain(p / "a.nc", clock(since, units="days since -4713-01-01 12:00:00", calendar="julian"))], {}


def seconds_of_unix(p):
    """Whole seconds since 1970, with T and Z."""
    since = stamps("start", "standard", units="seconds since 1970-01-01").astype("i8")
    return [plain(p / "a.nc", clock(since, units="seconds since 1970-01-01T00:00:00Z"))], {}


def bounds_in_months(p):
    """Months since with bounds, stamped at the upper one (360-day calendar as Ferret writes it)."""
    whole = np.arange(24.0)
    when = clock(whole + 1, units="months since 1991-01-01", bounds="time_bnds", calendar="360_day")
    return [plain(p / "a.nc", when | {"time_bnds": (("time", "bnds"), np.stack([whole, whole + 1], 1), {})})], {}


def australian_days(p):
    """AGCD: months of rain days that end at 9 in the morning."""
    when = time("bounds", "standard", stamp="middle")
    moved = {name: (dims, values - 1 + 9 / 24, said) for name, (dims, values, said) in when.items()}
    return [plain(p / "a.nc", moved)], {}


def mswep(p):
    """MSWEP and MSWX, 3-hourly: mm/3h."""
    at, month = steps(8, "standard", "start")
    made = fields(
        air_temperature=(VALUES["tas"][month], "degree_Celsius", {}),
        precipitation=((VALUES["pr"] / DAYS / 8)[month], "mm/3h", {}),
        downward_shortwave_radiation=(VALUES["rsds"][month], "W/m2", {}),
    )
    return [write(p / "a.nc", clock(at, units="days since 1850-01-01") | axes() | made)], called(
        "air_temperature", "precipitation", "downward_shortwave_radiation"
    )


def time_is_last(p):
    """LPJ-GUESS and others that read cell by cell: lat, lon, time."""
    made = {n: (("lat", "lon", "time"), np.moveaxis(VALUES[n], 0, -1), {"units": unit}) for n, unit in UNITS.items()}
    return [write(p / "a.nc", time("middle", "standard") | axes() | made)], {}


def longitude_first(p):
    """TRMM: time, lon, lat."""
    made = {n: (("time", "lon", "lat"), VALUES[n].transpose(0, 2, 1), {"units": unit}) for n, unit in UNITS.items()}
    return [write(p / "a.nc", time("middle", "standard") | axes() | made)], {}


def stations(p):
    """CF discrete sampling: a row a station, names as text."""
    names = np.array([f"S{k}" for k in range(12)])
    place = {"lat": (("station",), LAT, NORTH), "lon": (("station",), LON, EAST),
             "station_name": (("station",), names, {"cf_role": "timeseries_id"})}  # fmt: skip
    made = {n: (("station", "time"), LIST[n].T, {"units": u, "coordinates": "lat lon"}) for n, u in UNITS.items()}
    return [write(p / "a.nc", time("middle", "standard") | place | made, {"featureType": "timeSeries"})], {}


def degrees_west(p):
    """Longitudes that count to the west."""
    place = axes() | {"lon": (("lon",), -LONGITUDE, {"units": "degrees_west"})}
    return [write(p / "a.nc", time() | place | climate())], {}


def day_of_year(p):
    """Daily files of a year each whose days count from 1 since its first of January."""
    _, month = steps(1, "noleap", "start")
    files = []
    for k in range(2):
        when = clock(np.arange(1.0, 366.0), units=f"days since {FIRST + k}-01-01", calendar="noleap")
        rows = month[365 * k : 365 * (k + 1)]
        rain = {"pr": (VALUES["pr"] / days())[rows]}
        own = {n: v[rows] for n, v in VALUES.items()} | rain
        files.append(write(p / f"{k}.nc", when | axes() | climate(own, units={"pr": "mm/day"})))
    return files, {}


LAYOUTS = (
    nclimgrid,
    gpcc,
    nasa_power,
    ceres_ebaf,
    e_obs,
    gridmet,
    e3sm_columns,
    icon,
    last_steps_beyond_the_years,
    lmdz,
    regcm,
    physical_sciences_laboratory,
    matlab,
    julian_day_numbers,
    seconds_of_unix,
    bounds_in_months,
    australian_days,
    mswep,
    time_is_last,
    longitude_first,
    stations,
    degrees_west,
    day_of_year,
)


@pytest.mark.parametrize("make", LAYOUTS, ids=lambda make: make.__name__)
def test_files_of_publishers_are_the_truth(tmp_path, make):
    paths, options = make(tmp_path)
    exact = {key: options.pop(key) for key in ("rtol", "atol") if key in options}
    compare(read(paths, **options), **exact)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: {"pr": (GRID, VALUES["pr"], {"units": "0.1 mm/dekad"})}, "'precipitation' is in '0.1 mm/dekad'"),
        (lambda: {"tas": (GRID, VALUES["tas"] * 10, {"units": "degrees Celsius*10"})}, "is in 'degrees Celsius.10'"),
        (lambda: clock(stamps(), units="days since 0-01-01"), "'time' in 'days since 0-01-01' cannot be decoded"),
        (lambda: clock(stamps("end") - 1 / 48 + np.arange(24) % 2 / 24, units="days since 1850-01-01", calendar="noleap"),
         None),
    ],
)  # fmt: skip
def test_files_that_are_asked_about(tmp_path, change, message):
    path = plain(tmp_path / "c.nc", **change())
    if message is None:  # half an hour before or behind midnight, whole years: rounded ends
        compare(read(path))
        return
    with pytest.raises(InputError, match=f"c.nc: .*{message}"):
        read(path)


def test_a_unit_of_months_for_days_is_refused(tmp_path):
    at, month = steps(1, "noleap", "start")
    own = {n: v[month] for n, v in VALUES.items()} | {"pr": (VALUES["pr"] / days())[month]}
    path = write(tmp_path / "c.nc", clock(at, units="days since 1850-01-01", calendar="noleap") | axes() | climate(own))
    with pytest.raises(InputError, match=r"c.nc: pr: 'precipitation' of days .* is in 'mm month-1', a unit of months"):
        read(path)


# --- tables ----------------------------------------------------------------------------------------------------------

AIR = {key: -9.0 + 19.0 * np.cos(2 * np.pi * (key[1] - 7) / 12) for key in MONTHS}
RAIN = {key: 30.0 + key[1] for key in MONTHS}
LIGHT = {key: 20.0 + 10.0 * min(key[1], 13 - key[1]) for key in MONTHS}
EACH = {key: calendar.monthrange(*key)[1] for key in MONTHS}


def by_day(form: str) -> str:
    """A line a day; ``form`` has y, m, d, the day's air temperature a, rain p (mm) and light r (MJ m-2)."""
    return "".join(
        form.format(y=y, m=m, d=d, a=AIR[y, m], p=RAIN[y, m] / EACH[y, m], r=0.0864 * LIGHT[y, m])
        for y, m in MONTHS
        for d in range(1, EACH[y, m] + 1)
    )


def power_point():
    """NASA POWER, single point: a header block, YEAR, MO, DY; units stand in the block and are given."""
    text = "-BEGIN HEADER-\nDates (month/day/year): 01/01/1991 through 12/31/1992\nT2M Temperature (C)\n-END HEADER-\n"
    lines = by_day("{y},{m},{d},{a:.4f},{p:.6f},{r:.5f}\n")
    units = {"air_temperature": "C", "precipitation": "mm/day", "shortwave_radiation": "MJ/m^2/day"}
    return f"{text}YEAR,MO,DY,T2M,PRECTOTCORR,ALLSKY_SFC_SW_DWN\n{lines}", {"units": units}


def open_meteo():
    """Open-Meteo: a table of the place above that of the days."""
    head = "time,temperature_2m_mean (°C),precipitation_sum (mm),shortwave_radiation_sum (MJ/m²)\n"
    lines = by_day("{y}-{m:02d}-{d:02d},{a:.4f},{p:.6f},{r:.5f}\n")
    return f"latitude,longitude,elevation\n68.6,-149.6,720\n\n{head}{lines}", {}


def deutscher_wetterdienst():
    """DWD, monthly: semicolons, padded numbers, a date without dashes."""
    lines = "".join(f"  1;{y}{m:02d}01;{AIR[y, m]:9.4f};{RAIN[y, m]:6.1f};{LIGHT[y, m]}\n" for y, m in MONTHS)
    units = {"air_temperature": "degC", "precipitation": "mm", "shortwave_radiation": "W m-2"}
    names = {"air_temperature": "MO_TT", "precipitation": "MO_RR"}
    return f"STATIONS_ID;date;MO_TT;MO_RR;rsds\n{lines}", {"units": units, "names": names}


@pytest.mark.parametrize("make", [power_point, open_meteo, deutscher_wetterdienst], ids=lambda make: make.__name__)
def test_site_tables_of_publishers(tmp_path, make):
    text, options = make()
    (tmp_path / "a.csv").write_text(text)
    found = site_table.read(tmp_path / "a.csv", **options).fields
    for name, expected in (("air_temperature", AIR), ("precipitation", RAIN), ("shortwave_radiation", LIGHT)):
        np.testing.assert_allclose(found[name].ravel(), list(expected.values()), atol=2e-3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("date,tas (degC),pr (mm month-1),rsds (W m-2)\n" + by_day("{y}-{m:02d}-{d:02d},{a},{p},50\n"),
         r"'pr \(mm month-1\)' is in 'mm month-1', expected mm \(of each row\), mm d-1"),
        ("Tile: 13868\nElevation: 720 meters\n\nyear,yday,dayl (s),prcp (mm/day),srad (W/m^2),tmax (deg c)\n"
         + by_day("{y},1,43200,{p},100,{a}\n"), "no column of air temperature; is it 'tmax'"),
        ("year,month,tas (degC),pr (mm),precip (mm),rsds (W m-2)\n1991,1,2,3,4,5\n",
         r"both 'pr \(mm\)' and 'precip \(mm\)' may be precipitation"),
    ],
)  # fmt: skip
def test_site_tables_that_are_asked_about(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=f"a.csv: .*{message}"):
        site_table.read(tmp_path / "a.csv")


@pytest.mark.parametrize(
    "text",
    [
        "Year\tCO2spl\tCO2 growth rate\n1991\t355\t1.1\n1992\t356\t1.2\n",  # Law Dome
        "Entity,Code,Year,Monthly concentration of atmospheric carbon dioxide\nWorld,OWID,1991,355\nWorld,OWID,1992,356\n",
        "year,emissions_GtC,co2_concentration\n1991,600,355\n1992,620,356\n",
        "# NOAA GML\n#\nyear,month,decimal,average,average_unc,trend,trend_unc\n"
        + "".join(f"{y},{m},{y + m / 13:.3f},{355 + y - 1991 + m - 6.5},0.1,400,0.1\n" for y, m in MONTHS),
    ],
)
def test_co2_of_publishers(tmp_path, text):
    (tmp_path / "a.csv").write_text(text)
    np.testing.assert_allclose(co2.read_table(tmp_path / "a.csv", 1991, 1992), [355.0, 356.0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "Year,CO2,CH4,N2O\n1991,1.3,0.45,0.12\n1992,1.31,0.45,0.12\n",
            "CO2 of 1991 is 1.3, expected 100..5000 ppm",
        ),  # AGGI
        ("year,co2 (ppb)\n1991,355000\n1992,356000\n", "CO2 of 1991 is 355000, expected 100..5000 ppm"),
        (
            "Model,Scenario,Region,Variable,Unit,1991,1992\nA,ssp585,World,CO2,ppm,355,356\n",
            "CO2 table has no column 'year'",
        ),  # IAMC
        ("year,data_mean_nh,data_mean_sh\n1991,357,353\n", "several columns .*'co2_column'"),
    ],
)
def test_co2_that_is_asked_about(tmp_path, text, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=f"a.csv: {message}"):
        co2.read_table(tmp_path / "a.csv", 1991, 1992)


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("Date,-10cm,-200cm", {}),  # Nordicana D
        ("Date,Ground Temperature at 0.1 m (C),Ground Temperature at 2.00 m (C)", {}),  # University of Alaska Fairbanks
        ("site;year;month;day;10;200", {"depth_unit": "cm"}),  # Roshydromet
        ("time,0.1,2", {"depth_unit": "m"}),  # PERMOS
    ],
)
def test_ground_of_publishers(tmp_path, header, options):
    mark = ";" if ";" in header else ","
    first = mark.join(["B", "2008", "7", "{d}"]) if mark == ";" else "2008-07-{d:02d}"
    lines = [mark.join([first.format(d=day), "1.5", "-2"]) for day in range(1, 32)]
    (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
    found = ground.boreholes(tmp_path / "a.csv", **options)
    assert found["depth"].values.tolist() == [0.1, 2.0] and found["value"].values.tolist() == [1.5, -2.0]

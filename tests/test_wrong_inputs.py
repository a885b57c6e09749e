"""Wrong plans, files, command lines and calls, each with its exact sentence: exit code 2, nothing written, no traceback.

Beside these: wrong tables of sites in ``front/test_site.py``, wrong files in ``readers``.
"""

# ruff: noqa: E501
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from jtem.commands.main import main
from test_cli import OWN, at, inputs, one_sentence, units

pytestmark = pytest.mark.filterwarnings("ignore::jtem.errors.InputNote")

GOOD = """
[plan]
name = "small"
[domain]
source = "embedded"
sites = ["Toolik"]
[spinup]
cycle = [1850, 1852]
[history]
first = 1850
last = 2014
[[scenario]]
name = "future"
climate = "ssp126"
first = 2015
last = 2020
[output]
annual = ["npp"]
"""
CAL = """
[calibration]
name = "fit"
[model]
permafrost = "none"
[[data]]
source = "embedded"
path = "o.csv"
[history]
first = 2000
spin_up = [2000, 2004]
[errors]
floor = {soil_temperature = 1.0}
[[parameter]]
name = "soil_thermal.snow_density"
bounds = [150.0, 450.0]
"""
HEAD = "site,year,month,variable,depth_m,value\n"
ROWS = "".join(
    f"Toolik,{year},{month},soil_temperature,0.1,{month - 8.0}\n" for year in (2005, 2006) for month in range(1, 13)
)

PLANS = {
    "empty": ("\n[plan]\nname = \"small\"\n[domain]\nsource = \"embedded\"\nsites = [\"Toolik\"]\n[spinup]\ncycle = [1850, 1852]\n[history]\nfirst = 1850\nlast = 2014\n[[scenario]]\nname = \"future\"\nclimate = \"ssp126\"\nfirst = 2015\nlast = 2020\n[output]\nannual = [\"npp\"]\n", "", "plan.toml: section [plan] is missing; add it"),
    "only comments": ("\n[plan]\nname = \"small\"\n[domain]\nsource = \"embedded\"\nsites = [\"Toolik\"]\n[spinup]\ncycle = [1850, 1852]\n[history]\nfirst = 1850\nlast = 2014\n[[scenario]]\nname = \"future\"\nclimate = \"ssp126\"\nfirst = 2015\nlast = 2020\n[output]\nannual = [\"npp\"]\n", "# nothing", "plan.toml: section [plan] is missing; add it"),
    "not toml": ("\n[plan]\nname = \"small\"\n[domain]\nsource = \"embedded\"\nsites = [\"Toolik\"]\n[spinup]\ncycle = [1850, 1852]\n[history]\nfirst = 1850\nlast = 2014\n[[scenario]]\nname = \"future\"\nclimate = \"ssp126\"\nfirst = 2015\nlast = 2020\n[output]\nannual = [\"npp\"]\n", "hello", "plan.toml: not valid TOML (Expected '=' after a key in a key/value pair (at end of document)); correct that line"),
    "a list": ("\n[plan]\nname = \"small\"\n[domain]\nsource = \"embedded\"\nsites = [\"Toolik\"]\n[spinup]\ncycle = [1850, 1852]\n[history]\nfirst = 1850\nlast = 2014\n[[scenario]]\nname = \"future\"\nclimate = \"ssp126\"\nfirst = 2015\nlast = 2020\n[output]\nannual = [\"npp\"]\n", "plan = [1,2]", "plan.toml: [plan]: must be a table of 'key = value' lines"),
    "plan is text": ("[plan]\nname = \"small\"\n", "plan = \"small\"\n", "plan.toml: [plan]: must be a table of 'key = value' lines"),
    "history missing": ("[history]\nfirst = 1850\nlast = 2014\n[[scenario]]\nname = \"future\"\nclimate = \"ssp126\"\nfirst = 2015\nlast = 2020\n[output]\nannual = [\"npp\"]\n", "", "plan.toml: section [history] is missing; add it"),
    "domain missing": ("[domain]\nsource = \"embedded\"\nsites = [\"Toolik\"]\n", "", "plan.toml: section [domain] is missing; add it"),
    "source missing": ("source = \"embedded\"\n", "", "plan.toml: [domain]: key 'source' is missing; add it"),
    "two histories": ("[history]\n", "[[history]]\n", "plan.toml: [history]: must be a table of 'key = value' lines"),
    "scenario in single brackets": ("[[scenario]]\n", "[scenario]\n", "plan.toml: write [[scenario]] sections, with double brackets"),
    "key twice": ("first = 1850\n", "first = 1850\nfirst = 1851\n", "plan.toml: not valid TOML (Cannot overwrite a value (at line 11, column 13)); correct that line"),
    "section twice": ("", "[output]\nannual=['npp']\n", "plan.toml: not valid TOML (Cannot declare ('output',) twice (at line 19, column 8)); correct that line"),
    "name is number": ("name = \"small\"\n", "name = 3\n", "plan.toml: [plan]: 'name' is 3, expected text in quotes"),
    "name empty": ("name = \"small\"\n", "name = \"\"\n", "plan.toml: [plan] name '' begins file names; use letters, digits, '-', '_', '.' (not first)"),
    "name ..": ("name = \"small\"\n", "name = \"..\"\n", "plan.toml: [plan] name '..' begins file names; use letters, digits, '-', '_', '.' (not first)"),
    "name with slash": ("name = \"small\"\n", "name = \"../up\"\n", "plan.toml: [plan] name '../up' begins file names; use letters, digits, '-', '_', '.' (not first)"),
    "name is dot": ("name = \"small\"\n", "name = \".\"\n", "plan.toml: [plan] name '.' begins file names; use letters, digits, '-', '_', '.' (not first)"),
    "stage name ..": ("name = \"future\"\n", "name = \"../future\"\n", "plan.toml: [[scenario]] 1 name '../future' begins file names; use letters, digits, '-', '_', '.' (not first)"),
    "stage spinup": ("name = \"future\"\n", "name = \"spinup\"\n", "plan.toml: stage name 'spinup' must be unique and of letters, digits, '-', '_', '.'; choose another"),
    "stage historical": ("name = \"future\"\n", "name = \"historical\"\n", "plan.toml: stage name 'historical' must be unique and of letters, digits, '-', '_', '.'; choose another"),
    "first is float": ("first = 1850\n", "first = 1850.5\n", "plan.toml: [history]: 'first' is 1850.5, expected a whole number"),
    "first is text": ("first = 1850\n", "first = \"1850\"\n", "plan.toml: [history]: 'first' is '1850', expected a whole number"),
    "first is date": ("first = 1850\n", "first = 1850-01-01\n", "plan.toml: [history]: 'first' is datetime.date(1850, 1, 1), expected a whole number"),
    "first negative": ("first = 1850\n", "first = -5\n", "plan.toml: [history]: 'first' is -5, expected a number within 1..9999"),
    "first huge": ("last = 2014\n", "last = 99999\n", "plan.toml: [history]: 'last' is 99999, expected a number within 1..9999"),
    "first is true": ("first = 1850\n", "first = true\n", "plan.toml: [history]: 'first' is True, expected a whole number"),
    "sites number": ("sites = [\"Toolik\"]\n", "sites = [3]\n", "plan.toml: [domain]: 'sites' is [3], expected a list of texts"),
    "sites empty text": ("sites = [\"Toolik\"]\n", "sites = [\"\"]\n", "unknown site ''; known: Bonanza Creek, Toolik, US-Prr, US-Atq, GL-ZaH, RU-SkP, US-Ivo, CN-Dan"),
    "sites twice": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\",\"Toolik\"]\n", "plan.toml: [domain] sites has 'Toolik' twice; leave one out"),
    "site unknown": ("sites = [\"Toolik\"]\n", "sites = [\"Tolik\"]\n", "unknown site 'Tolik'; did you mean 'Toolik'?"),
    "domain unknown": ("sites = [\"Toolik\"]\n", "domain = \"panarctic\"\n", "unknown domain 'panarctic'; did you mean 'pan_arctic'?"),
    "sites and domain": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\ndomain = \"plateau\"\n", "plan.toml: [domain] 'sites' and 'domain' both say where the cells are; leave one out"),
    "stride 0": ("sites = [\"Toolik\"]\n", "stride = 0\n", "plan.toml: [domain]: 'stride' is 0, expected a number within 1..1000000"),
    "community unknown": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\ncommunity = \"wet_tundra\"\n", "plan.toml: [domain] community 'wet_tundra' is unknown; did you mean 'wet_moist_tundra'?"),
    "latitude alone": ("sites = [\"Toolik\"]\n", "latitude = 68.6\n", "(68.6, None): longitude is missing; give it in degrees"),
    "latitude nan": ("sites = [\"Toolik\"]\n", "latitude = nan\nlongitude = -149.0\n", "plan.toml: [domain]: 'latitude' is nan, expected a finite number"),
    "latitude inf": ("sites = [\"Toolik\"]\n", "latitude = inf\nlongitude = -149.0\n", "plan.toml: [domain]: 'latitude' is inf, expected a finite number"),
    "latitude 200": ("sites = [\"Toolik\"]\n", "latitude = 200\nlongitude = -149.0\n", "(200.0, -149.0): latitude 200 is outside -90..90; correct it"),
    "longitude 500": ("sites = [\"Toolik\"]\n", "latitude = 68.0\nlongitude = 500\n", "(68.0, 500.0): longitude 500 is outside -180..360; correct it"),
    "elevation nan": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\nelevation = nan\n", "plan.toml: [domain]: 'elevation' is nan, expected a finite number"),
    "elevation huge": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\nelevation = 1e6\n", "embedded fields at (68.6, -149): 'elevation' is 1e+06 in cell 0 (68.60, -149.00; 1 cells in all), expected -500..9000; correct the value or its unit"),
    "texture of two": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\ntexture=[40.0,60.0]\n", "(68.6, -149.0): texture has 2 numbers, expected sand, silt and clay in percent; give three"),
    "texture sum": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\ntexture=[40.0,60.0,60.0]\n", "embedded fields at (68.6, -149): sand + silt + clay is 160 percent in cell 0 (68.60, -149.00; 1 cells in all), expected 100; correct the texture"),
    "texture nan": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\ntexture=[nan,60.0,40.0]\n", "plan.toml: [domain]: 'texture' is nan, expected a finite number"),
    "texture negative": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\ntexture=[-20.0,60.0,60.0]\n", "embedded fields at (68.6, -149): 'sand' is -20 in cell 0 (68.60, -149.00; 1 cells in all), expected 0..100; correct the value or its unit"),
    "soil carbon three": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\nsoil_organic_carbon=[1.0,2.0,3.0]\n", "(68.6, -149.0): soil_organic_carbon has 3 numbers, expected kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m; give four"),
    "soil carbon negative": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\nsoil_organic_carbon=[-1.0,2.0,3.0,4.0]\n", "embedded fields at (68.6, -149): 'soil_organic_carbon' has values outside 0..500 kg m-2; give kg m-2 per interval and NaN where nothing was observed"),
    "soil carbon huge": ("sites = [\"Toolik\"]\n", "latitude = 68.6\nlongitude = -149.0\nsoil_organic_carbon=[1e9,2.0,3.0,4.0]\n", "embedded fields at (68.6, -149): 'soil_organic_carbon' has values outside 0..500 kg m-2; give kg m-2 per interval and NaN where nothing was observed"),
    "sites and latitude": ("sites = [\"Toolik\"]\n", "sites=[\"Toolik\"]\nlatitude = 68.6\nlongitude = -149.0\n", "plan.toml: [domain] 'sites' and 'latitude' both say where the cells are; leave one out"),
    "cycle reversed": ("cycle = [1850, 1852]\n", "cycle = [1852, 1850]\n", "plan.toml: [spinup] cycle [1852, 1850] ends before it begins; swap the years"),
    "cycle floats": ("cycle = [1850, 1852]\n", "cycle = [1850.0, 1852.0]\n", "plan.toml: [spinup]: 'cycle' is [1850.0, 1852.0], expected a list of whole numbers"),
    "cycle text": ("cycle = [1850, 1852]\n", "cycle = \"1850-1852\"\n", "plan.toml: [spinup]: 'cycle' is '1850-1852', expected a list of whole numbers"),
    "cycle of three": ("cycle = [1850, 1852]\n", "cycle = [1850,1851,1852]\n", "plan.toml: [spinup]: 'cycle' has 3 entries, expected [first year, last year]"),
    "cycle before data": ("cycle = [1850, 1852]\n", "cycle = [1700,1710]\n", "plan.toml: [spinup] cycle 1700-1710: years 1700-1710 of 'historical' are not available; choose first_year <= last_year within 1850-2014"),
    "spinup climate unknown": ("cycle = [1850, 1852]\n", "cycle = [1850, 1852]\nclimate = \"historicl\"\n", "plan.toml: [spinup] cycle 1850-1852: unknown scenario 'historicl'; did you mean 'historical'?"),
    "history after data": ("last = 2014\n[[scenario]]\nname = \"future\"\nclimate = \"ssp126\"\nfirst = 2015\nlast = 2020\n", "last = 2101\n", "plan.toml: [history] first, last 1850-2101: years 1850-2101 of 'historical' are not available; choose first_year <= last_year within 1850-2014"),
    "scenario after data": ("last = 2020\n", "last = 2500\n", "plan.toml: [[scenario]] first, last 2015-2500: years 2015-2500 of 'ssp126' are not available; choose first_year <= last_year within 2015-2100"),
    "scenario climate unknown": ("climate = \"ssp126\"\n", "climate = \"ssp26\"\n", "plan.toml: [[scenario]] first, last 2015-2020: unknown scenario 'ssp26'; known: historical, ssp126, ssp585, rcp45, rcp85"),
    "scenario no climate": ("climate = \"ssp126\"\n", "", "plan.toml: [[scenario]] 1: key 'climate' is missing; add it"),
    "goes on elsewhere": ("last = 2014\n", "last = 2014\ngoes_on = true\n", "plan.toml: [history] goes_on, but other climates than 'historical' follow; leave goes_on out"),
    "goes on after data": ("last = 2020\n", "last = 2100\ngoes_on = true\n", "plan.toml: [[scenario]] first, last 2015-2100 and goes_on: years 2015-2101 of 'ssp126' are not available; choose first_year <= last_year within 2015-2100"),
    "gap": ("first = 2015\n", "first = 2016\n", "plan.toml: [[scenario]] future begins in 2016 but history ends in 2014; set its 'first' to 2015"),
    "overlap": ("first = 2015\n", "first = 2010\n", "plan.toml: [[scenario]] future begins in 2010 but history ends in 2014; set its 'first' to 2015"),
    "scheme number": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\n[model]\npermafrost = 3\n", "plan.toml: [model]: permafrost 3 is unknown; known: none, tem6, thaw_ratio, thaw_ratio_irreversible, thaw_ratio_inventory, thaw_ratio_concentration, layered, layered_concentration"),
    "heat substeps 0": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\n[model]\nheat_substeps = 0\n", "plan.toml: [model]: 'heat_substeps' is 0, expected a number within 1..60"),
    "carbon substeps 1000": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\n[model]\ncarbon_substeps = 1000\n", "plan.toml: [model]: 'carbon_substeps' is 1000, expected a number within 1..60"),
    "parameters missing toml": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\n[model]\nparameters = ['own.toml']\n", "plan.toml: [model]: own.toml is not in the current folder; correct its name, or give the folder of the data with --data DIR or the variable JTEM_DATA"),
    "parameters a number": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\n[model]\nparameters = [3]\n", "plan.toml: [model]: 'parameters' is [3], expected a list of texts"),
    "tissue word": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\n[model]\ntissue_nitrogen = 'liner'\n", "plan.toml: [model]: tissue_nitrogen 'liner' is unknown; did you mean 'linear'?"),
    "heat years 1": ("[spinup]\n", "[spinup]\nheat_years = 1\n", "plan.toml: [spinup]: 'heat_years' is 1, expected a number within 10..10000"),
    "years negative": ("[spinup]\n", "[spinup]\nyears = -1\n", "plan.toml: [spinup]: 'years' is -1, expected a number within 0..100000"),
    "annual monthly-only": ("annual = [\"npp\"]\n", "annual = [\"soil_temperatur\"]\n", "plan.toml: [output]: unknown output variable 'soil_temperatur'; did you mean 'soil_temperature'? ('jtem variables' lists all)"),
    "annual number": ("annual = [\"npp\"]\n", "annual = 3\n", "plan.toml: [output]: 'annual' is 3, expected a list of texts"),
    "monthly yearly-only": ("annual = [\"npp\"]\n", "monthly = [\"active_layer_thickness\"]\n", "plan.toml: [output]: 'active_layer_thickness' exists once a year; move it from 'monthly' to 'annual'"),
    "state text": ("", "state = \"no\"\n", "plan.toml: [output]: 'state' is 'no', expected true or false"),
    "nothing written": ("", "state = false\nnetcdf=false\n", "plan.toml: [output] netcdf, state and zarr are all false, so that nothing is kept; set one to true"),
    "chunk 0": ("", "[run]\nchunk_columns = 0\n", "plan.toml: [run]: 'chunk_columns' is 0, expected a number within 1..10000000"),
    "block 0": ("", "[run]\nblock_years = 0\n", "plan.toml: [run]: 'block_years' is 0, expected a number within 1..1000"),
    "restart absent": ("", "[run]\nrestart = 'x.nc'\n", "plan.toml: [run] restart: x.nc is not in the current folder; correct its name, or give the folder of the data with --data DIR or the variable JTEM_DATA"),
    "restart folder": ("", "[run]\nrestart = '.'\n", "plan.toml: [run] restart: . is not in the current folder; correct its name, or give the folder of the data with --data DIR or the variable JTEM_DATA"),
    "base years outside": ("", "[permafrost]\nbase_years = [2010, 2020]\n", "plan.toml: [permafrost] base_years [2010, 2020] must lie within history 1850-2014; change them"),
    "base years reversed": ("", "[permafrost]\nbase_years = [2014, 2010]\n", "plan.toml: [permafrost] base_years [2014, 2010] must lie within history 1850-2014; change them"),
    "factorial no runs": ("", "[factorial]\nscenarios = ['ssp585']\n", "plan.toml: [factorial]: 'runs' is missing; add it"),
    "factorial unknown": ("", "[factorial]\nruns=['co2+temprature']\nscenarios = ['ssp585']\n", "plan.toml: [factorial]: run 'co2+temprature' is unknown; did you mean 'temperature'?"),
    "factorial base year": ("", "[factorial]\nruns=['co2']\nscenarios = ['ssp585']\nbase_year=1800\n", "plan.toml: [factorial]: base_year 1800 must lie within 1850-2100; change it"),
    "factorial gap": ("", "[factorial]\nruns=['co2']\nscenarios = ['ssp585']\nfirst=2017\n", "plan.toml: [factorial]: begins in 2017 but history ends in 2014; set its 'first' to 2015"),
    "factorial same name": ("", "[factorial]\nruns=['co2','co2']\nscenarios = ['ssp585']\n", "plan.toml: stage name 'ssp585_S_co2' must be unique and of letters, digits, '-', '_', '.'; choose another"),
    "factorial nan": ("", "[factorial]\nruns=['co2']\nscenarios = ['ssp585']\nmembers={warm=[nan,0.0]}\n", "plan.toml: [factorial]: 'members.warm' is nan, expected a finite number"),
    "factorial negative rain": ("", "[factorial]\nruns=['co2']\nscenarios = ['ssp585']\nmembers={warm=[1.0,-100.0]}\n", "plan.toml: [factorial]: 'members.warm' is -100, expected a number within -10..10"),
    "factorial member name": ("", "[factorial]\nruns=['co2']\nscenarios = ['ssp585']\nmembers={'a/b'=[1.0,0.0]}\n", "plan.toml: stage name 'a/b_ssp585_S_co2' must be unique and of letters, digits, '-', '_', '.'; choose another"),
    "paper": ("", "[report]\npaper='liu2023'\n", "plan.toml: [report]: paper 'liu2023' is unknown; known: none, liu2022, liu2024"),
    "isimip keys": ("", "[isimip]\nroud='3b'\n", "plan.toml: [isimip]: unknown key 'roud'; did you mean 'round'?"),
    "climate in embedded": ("", "[domain.climate]\nhistorical=['a.nc']\n", "plan.toml: [domain] source 'embedded' does not take 'climate'; leave it out, or choose a source that does (table, toolik, cf_monthly, climate_grid, isimip, prepared)"),
    "nested": ("", "[plan.more]\na=1\n", "plan.toml: [plan]: unknown key 'more'; did you mean 'name'?"),
    "co2 unknown": ("sites = [\"Toolik\"]\n", "sites = [\"Toolik\"]\nco2 = \"embeded\"\n", "plan.toml: [domain] source 'embedded' does not take 'co2'; leave it out, or choose a source that does (table, toolik, cf_monthly, isimip, prepared)"),
}  # fmt: skip
"""What of the good plan is replaced by what (None: all of it), and the sentence."""

OVERLAYS = {
    "not toml": ("[a", "own.toml: not valid TOML (Expected ']' at the end of a table declaration (at end of document)); correct that line"),
    "unknown branch": ("[soil_therml.snow_density]\nvalue = 200\nsource='x'", "own.toml: unknown parameter 'soil_therml.snow_density'; did you mean 'soil_thermal.snow_density'?"),
    "unknown field": ("[soil_thermal.snow_densty]\nvalue = 200\nsource='x'", "own.toml: unknown parameter 'soil_thermal.snow_densty'; did you mean 'soil_thermal.snow_density'?"),
    "no value": ("[soil_thermal.snow_density]\nsource='x'", "own.toml: 'soil_thermal.snow_density' has neither 'value' nor 'values'; give one, or leave the parameter out"),
    "text value": ("[soil_thermal.snow_density]\nvalue = 'a'\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is 'a', expected a number or a list of numbers"),
    "bool value": ("[soil_thermal.snow_density]\nvalue = true\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is True, expected a number or a list of numbers"),
    "nan value": ("[soil_thermal.snow_density]\nvalue = nan\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is nan, outside its bounds [50.0, 600.0]"),
    "inf value": ("[soil_thermal.snow_density]\nvalue = inf\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is inf, outside its bounds [50.0, 600.0]"),
    "outside": ("[soil_thermal.snow_density]\nvalue = 2000\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is 2000, outside its bounds [50.0, 600.0]"),
    "list value": ("[soil_thermal.snow_density]\nvalue = [200, 300]\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' has 2 numbers in a list, expected one"),
    "empty list": ("[soil_thermal.snow_density]\nvalue = []\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is [], expected a number or a list of numbers"),
    "table value": ("[soil_thermal.snow_density]\nvalue = {a=1}\nsource='x'", "own.toml: 'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is {'a': 1}, expected a number or a list of numbers"),
    "unit wrong": ("[soil_thermal.snow_density]\nvalue = 0.2\nunit='g cm-3'\nsource='x'", "own.toml: 'soil_thermal.snow_density' is given in 'g cm-3' but the model works in 'kg m-3'; convert the value"),
    "bounds reversed": ("[soil_thermal.snow_density]\nvalue = 200\nbounds=[500,100]\nsource='x'", "own.toml: bounds of 'soil_thermal.snow_density' are [500, 100], expected [low, high] with low below high"),
    "bounds one": ("[soil_thermal.snow_density]\nvalue = 200\nbounds=[500]\nsource='x'", "own.toml: bounds of 'soil_thermal.snow_density' are [500], expected [low, high] with low below high"),
    "bounds text": ("[soil_thermal.snow_density]\nvalue = 200\nbounds=['a','b']\nsource='x'", "own.toml: bounds of 'soil_thermal.snow_density' are ['a', 'b'], expected [low, high] with low below high"),
    "bounds nan": ("[soil_thermal.snow_density]\nvalue = 200\nbounds=[nan,nan]\nsource='x'", "own.toml: bounds of 'soil_thermal.snow_density' are [nan, nan], expected [low, high] with low below high"),
    "bounds number": ("[soil_thermal.snow_density]\nvalue = 200\nbounds=3\nsource='x'", "own.toml: bounds of 'soil_thermal.snow_density' are 3, expected [low, high] with low below high"),
    "source number": ("[soil_thermal.snow_density]\nvalue = 200\nsource=3", "own.toml: 'source' of 'soil_thermal.snow_density' is 3, expected text in quotes"),
    "community unknown": ("[soil_thermal.snow_density]\nvalues = {boreal=200}\nsource='x'", "own.toml: 'soil_thermal.snow_density' names the unknown community 'boreal'; did you mean 'boreal_forest'?"),
    "values no table": ("[soil_thermal.snow_density]\nvalues = 200\nsource='x'", "own.toml: 'values' of 'soil_thermal.snow_density' is 200; write values = {community = number}"),
    "key misspelt": ("[soil_thermal.snow_density]\nvalu = 200\nsource='x'", "own.toml: 'soil_thermal.snow_density' has the unknown key 'valu'; use unit, bounds, source, value, values"),
    "vector short": ("[litter.partition]\nvalue=[1.0]\nsource='x'", "own.toml: unknown parameter 'litter.partition'; did you mean 'litter.carbon_rate'?"),
    "binary": (b'\xff\xfe\x00', "own.toml: parameter file cannot be read ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte); give a TOML file of UTF-8 text"),
}  # fmt: skip
"""Text of an overlay of parameters, and the sentence."""

CALIBRATIONS = {
    "no parameter": ("[[parameter]]\nname = \"soil_thermal.snow_density\"\nbounds = [150.0, 450.0]\n", "", "plan.toml: write at least one [[parameter]] section, with double brackets"),
    "no data": ("[[data]]\nsource = \"embedded\"\npath = \"o.csv\"\n", "", "plan.toml: write at least one [[data]] section, with double brackets"),
    "parameter unknown": ("name = \"soil_thermal.snow_density\"\n", "name = \"soil_thermal.snow_densty\"\n", "plan.toml: [[parameter]] 1: unknown parameter 'soil_thermal.snow_densty'; did you mean 'soil_thermal.snow_density'?"),
    "parameter twice": ("", "[[parameter]]\nname = \"soil_thermal.snow_density\"\nbounds = [150.0, 450.0]\n", "plan.toml: [[parameter]] 2 (soil_thermal.snow_density): 'soil_thermal.snow_density' is free twice; give each a 'label' of its own"),
    "bounds reversed": ("bounds = [150.0, 450.0]\n", "bounds = [450.0,150.0]\n", "plan.toml: [[parameter]] 1 (soil_thermal.snow_density): bounds [450, 150] are not low below high; correct them"),
    "bounds wider": ("bounds = [150.0, 450.0]\n", "bounds = [1.0,1e6]\n", "plan.toml: [[parameter]] 1: bounds [1, 1e+06] of 'soil_thermal.snow_density' reach outside the table's [50, 600]; narrow them"),
    "bounds nan": ("bounds = [150.0, 450.0]\n", "bounds = [nan,450.0]\n", "plan.toml: [[parameter]] 1: 'bounds' is nan, expected a finite number"),
    "bounds equal": ("bounds = [150.0, 450.0]\n", "bounds = [200.0,200.0]\n", "plan.toml: [[parameter]] 1 (soil_thermal.snow_density): bounds [200, 200] are not low below high; correct them"),
    "bounds text": ("bounds = [150.0, 450.0]\n", "bounds = ['a','b']\n", "plan.toml: [[parameter]] 1: 'bounds' is ['a', 'b'], expected a list of numbers"),
    "start outside": ("", "start=10.0\n", "plan.toml: [[parameter]] 1 (soil_thermal.snow_density): start 10 is not inside its bounds [150, 450]; move one"),
    "start nan": ("", "start=nan\n", "plan.toml: [[parameter]] 1: 'start' is nan, expected a finite number"),
    "prior sigma 0": ("", "prior=[200.0,0.0]\n", "plan.toml: [[parameter]] 1 (soil_thermal.snow_density): prior [200.0, 0.0] is [mean, standard deviation]; give a positive deviation"),
    "prior negative": ("", "prior=[200.0,-5.0]\n", "plan.toml: [[parameter]] 1 (soil_thermal.snow_density): prior [200.0, -5.0] is [mean, standard deviation]; give a positive deviation"),
    "mode": ("", "mode='factr'\n", "plan.toml: [[parameter]] 1: mode 'factr' is unknown; did you mean 'factor'?"),
    "scope": ("", "scope='sit'\n", "plan.toml: [[parameter]] 1: scope 'sit' is unknown; did you mean 'site'?"),
    "scale": ("", "scale='logg'\n", "plan.toml: [[parameter]] 1: scale 'logg' is unknown; did you mean 'log'?"),
    "sites unknown": ("", "sites=['Tolik']\n", "plan.toml: [[parameter]] 1: no site 'Tolik' in the data; did you mean 'Toolik'?"),
    "communities unknown": ("", "communities=['tundra']\n", "plan.toml: [[parameter]] 1: unknown community 'tundra'; did you mean 'wet_moist_tundra'?"),
    "element of scalar": ("name = \"soil_thermal.snow_density\"\n", "name = \"soil_thermal.snow_density[3]\"\n", "'soil_thermal.snow_density[3]': the parameter has one value and no elements; correct the index or write the plain name"),
    "source": ("source = \"embedded\"\n", "source = \"embeded\"\n", "plan.toml: [[data]] 1: source 'embeded' is unknown; did you mean 'embedded'?"),
    "path absent": ("path = \"o.csv\"\n", "path = \"oo.csv\"\n", "plan.toml: [[data]] 1: file oo.csv not found; check the name and the data folder (--data or JTEM_DATA)"),

    "data sites": ("path = \"o.csv\"\n", "path = \"o.csv\"\nsites=[\"Tolik\"]\n", "o.csv: no site 'Tolik'; did you mean 'Toolik'?"),
    "data streams": ("path = \"o.csv\"\n", "path = \"o.csv\"\nstreams=[\"soil_temp\"]\n", "o.csv: no stream 'soil_temp'; did you mean 'soil_temperature'?"),
    "data years": ("path = \"o.csv\"\n", "path = \"o.csv\"\nyears=[2010,2005]\n", "plan.toml: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"),
    "data depths": ("path = \"o.csv\"\n", "path = \"o.csv\"\ndepths=[5.0]\n", "plan.toml: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"),
    "data community": ("path = \"o.csv\"\n", "path = \"o.csv\"\ncommunities={Toolik=\"wet\"}\n", "plan.toml: [[data]] 1: 'communities' of source 'embedded' are known and not taken; leave them out, or choose source 'table'"),
    "data community site": ("path = \"o.csv\"\n", "path = \"o.csv\"\ncommunities={Tolik=\"wet_moist_tundra\"}\n", "plan.toml: [[data]] 1: 'communities' of source 'embedded' are known and not taken; leave them out, or choose source 'table'"),
    "data elevation nan": ("path = \"o.csv\"\n", "path = \"o.csv\"\nelevations={Toolik=nan}\n", "plan.toml: [[data]] 1: 'elevations.Toolik' is nan, expected a finite number"),
    "data place": ("path = \"o.csv\"\n", "path = \"o.csv\"\nplaces={Toolik=[200.0,0.0]}\n", "plan.toml: [[data]] 1: places of 'Toolik' [200, 0] is not [latitude, longitude] in degrees; correct it (swapped?)"),
    "first after obs": ("first = 2000\n", "first = 2010\n", "plan.toml: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"),
    "spin_up reversed": ("spin_up = [2000, 2004]\n", "spin_up = [2004,2000]\n", "plan.toml: [history] spin_up [2004, 2000] ends before it begins; swap the years"),
    "spin_up absent years": ("spin_up = [2000, 2004]\n", "spin_up = [1700,1704]\n", "plan.toml: [history] spin_up 1700-1704: years 1700-1704 of 'historical' are not available; choose first_year <= last_year within 1850-2014"),
    "search method": ("", "[search]\nmethod='newton'\n", "plan.toml: [search]: method 'newton' is unknown; known: levenberg_marquardt, adam, lbfgs"),
    "starts 0": ("", "[search]\nstarts=0\n", "plan.toml: [search]: 'starts' is 0, expected at least 1"),
    "rate nan": ("", "[search]\nmethod='adam'\nrate=nan\n", "plan.toml: [search]: 'rate' is nan, expected a finite number"),
    "rate negative": ("", "[search]\nmethod='adam'\nrate=-1\n", "plan.toml: [search]: 'rate' is -1, expected at least 1e-12"),
    "spread negative": ("", "[search]\nspread=-1\n", "plan.toml: [search]: 'spread' is -1, expected at least 0"),
    "decrease negative": ("", "[search]\ndecrease=-1\n", "plan.toml: [search]: 'decrease' is -1, expected at least 0"),
    "misfit": ("floor = {soil_temperature = 1.0}\n", "floor={soil_temp=1.0}\n", "unknown stream 'soil_temp' among the observation errors; did you mean 'soil_temperature'?"),
    "misfit floor negative": ("floor = {soil_temperature = 1.0}\n", "floor={soil_temperature=-1.0}\n", "plan.toml: [errors]: 'floor.soil_temperature' is -1, expected at least 0"),
    "floor nan": ("floor = {soil_temperature = 1.0}\n", "floor={soil_temperature=nan}\n", "plan.toml: [errors]: 'floor.soil_temperature' is nan, expected a finite number"),
    "relative negative": ("floor = {soil_temperature = 1.0}\n", "floor = {soil_temperature = 1.0}\nrelative={soil_temperature=-1.0}\n", "plan.toml: [errors]: 'relative.soil_temperature' is -1, expected at least 0"),
    "errors section": ("", "[eror]\nfloor={soil_temp=1.0}\n", "plan.toml: unknown section [eror]; did you mean 'errors'?"),
    "split": ("", "[fit]\nheld_out_sites=['Tolik']\n", "plan.toml: [fit] names 'Tolik', which is no site of the data; did you mean 'Toolik'?"),
    "split streams": ("", "[fit]\nheld_out_streams=['gppp']\n", "plan.toml: [fit] unknown stream 'gppp'; did you mean 'gpp'?"),
    "split all": ("", "[fit]\nheld_out_sites=['Toolik']\n", "plan.toml: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"),
    "split years": ("", "[fit]\nheld_out={Toolik=[2006,2005]}\n", "plan.toml: [fit] held_out of Toolik [2006, 2005] ends before it begins; swap the years"),
    "posterior chains": ("", "[posterior]\nchains=1\n", "plan.toml: [posterior]: 'chains' is 1, expected a number within 2..1000"),
    "a run plan key": ("", "[plan]\nname=3\n", "plan.toml: unknown section [plan]; known: calibration, data, parameter, model, domain, history, errors, fit, search, validation, posterior"),
}  # fmt: skip
"""What of the good calibration is replaced by what, and the sentence."""

OBSERVATIONS = {
    "empty": ("", "o.csv: table is empty; give one row an observation"),
    "header only": ("site,year,month,variable,depth_m,value\n", "o.csv: table is empty; give one row an observation"),
    "no header": (ROWS, "o.csv: column 'site' is missing; known: Toolik, 2005, 1, soil_temperature, 0.1, -7.0"),
    "unknown column": ("site,year,month,varable,depth_m,value\n" + ROWS, "o.csv: column 'variable' is missing; did you mean 'varable'?"),
    "no site col": ("\n".join(line.partition(",")[2] for line in (HEAD + ROWS).splitlines()), "o.csv: column 'site' is missing; known: year, month, variable, depth_m, value"),
    "unknown variable": ((HEAD + ROWS).replace("soil_temperature", "soil_temprature"), "o.csv, row 2: unknown variable 'soil_temprature'; did you mean 'soil_temperature'?"),
    "month 13": (HEAD + ROWS + "Toolik,2007,13,soil_temperature,0.1,1\n", "o.csv, row 26: month 13, expected 1..12; correct it"),
    "month 0": (HEAD + ROWS + "Toolik,2007,0,soil_temperature,0.1,1\n", "o.csv, row 26: month 0, expected 1..12; correct it"),
    "year text": (HEAD + ROWS + "Toolik,abc,1,soil_temperature,0.1,1\n", "o.csv, row 26: 'abc' is not a number; correct it or leave the field empty"),
    "value text": (HEAD + ROWS + "Toolik,2007,1,soil_temperature,0.1,abc\n", "o.csv, row 26: 'abc' is not a number; correct it or leave the field empty"),
    "value inf": (HEAD + ROWS + "Toolik,2007,1,soil_temperature,0.1,inf\n", "o.csv, row 26: 'inf' is not a number; correct it or leave the field empty"),
    "value huge": (HEAD + ROWS + "Toolik,2007,1,soil_temperature,0.1,500\n", "o.csv: 'soil_temperature' is 500 at Toolik 2007-01 (1 in all), expected -60..60 degC; correct the value or its unit"),
    "depth negative": (HEAD + ROWS + "Toolik,2007,1,soil_temperature,-0.1,1\n", "o.csv: depths of both signs (-0.1 and 0.1 m); give all positive downwards"),
    "depth deep": (HEAD + ROWS + "Toolik,2007,1,soil_temperature,500,1\n", "o.csv: 'soil_temperature' at Toolik 2007-01 (1 in all) has the depth 500 m, expected 0..60; give metres (centimetres?) or leave it out"),
    "depth missing": (HEAD + ROWS + "Toolik,2007,1,soil_temperature,,1\n", "o.csv: 'soil_temperature' at Toolik 2007-01 (1 in all) has no depth; give the sensor's depth in m, positive downwards"),
    "site unknown": ((HEAD + ROWS).replace("Toolik", "Tolik"), "unknown site 'Tolik'; did you mean 'Toolik'?"),
    "year 2300": (HEAD + ROWS + "Toolik,2300,1,soil_temperature,0.1,1\n", "plan.toml: [history] first, to the last observation, 2000-2300: years 2000-2300 of 'ssp126' are not available; choose first_year <= last_year within 2015-2100"),
    "all values empty": (HEAD + "".join(f"Toolik,2005,{m},soil_temperature,0.1,\n" for m in range(1, 13)), "plan.toml: no usable observation is left to fit; check sites, streams, [fit] years and the data's quality"),
}  # fmt: skip
"""Text of a table of observations, and the sentence."""

FILES = {
    "tas inf": (lambda c, s: (at(c, "tas",np.inf), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: tas: value inf looks like a fill value that the file does not declare; set the attribute _FillValue of the variable"),
    "tas 900 K": (lambda c, s: (at(c, "tas",900.), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'air_temperature' 626.9 degC in cell 0, 2000-01 (1 values in all), expected -90..60 ('air_temperature'); correct the data"),
    "tas missing all": (lambda c, s: (c.assign(tas=c.tas*np.nan), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'air_temperature' is missing (NaN) in cell 0, 2000-01 (96 values in all); fill it or drop the cell"),
    "pr huge": (lambda c, s: (at(c, "pr",1.0), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'precipitation' 2.678e+06 mm month-1 in cell 0, 2000-01 (1 values in all), expected 0..5000 ('precipitation'); correct the data"),
    "rsds negative": (lambda c, s: (at(c, "rsds",-50.), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'shortwave_radiation' -50 W m-2 in cell 0, 2000-01 (1 values in all), expected 0..600 ('shortwave_radiation'); correct the data"),
    "no units tas": (lambda c, s: (c.assign(tas=c.tas.drop_attrs()), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: tas: 'air_temperature' has no units attribute, expected something convertible to 'degC'; add it or give it under [domain.units]"),
    "no units pr": (lambda c, s: (c.assign(pr=c.pr.drop_attrs()), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: pr: 'precipitation' has no units attribute, expected something convertible to 'mm month-1'; add it or give it under [domain.units]"),
    "pr mm": (lambda c, s: (units(c, "pr","mm"), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'precipitation' has values 1e-05..1e-05: kg m-2 s-1? expected mm month-1; convert the values"),
    "tas unit pr": (lambda c, s: (units(c, "tas","kg m-2 s-1"), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: tas: 'air_temperature' is in 'kg m-2 s-1', expected K or degC; correct the units attribute, convert it or give the right unit under [domain.units]"),
    "time text": (lambda c, s: (c.assign_coords(time=[str(k) for k in range(24)]), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'time' is '0', expected a date like 2001-01-15; convert it to 'days since'"),
    "time decreasing": (lambda c, s: (c.isel(time=slice(None,None,-1)), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: month 2001-11 is repeated or out of order in 'time'; give consecutive monthly values"),
    "time twice": (lambda c, s: (xr.concat([c,c.isel(time=[3])],"time"), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: month 2000-04 is repeated or out of order in 'time'; give consecutive monthly values"),
    "time half": (lambda c, s: (c.isel(time=slice(0,12)), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'tas' lacks month 2001-01 (12 of 2000-2001 missing); add the file that has it or change the years"),
    "no time": (lambda c, s: (c.isel(time=0,drop=True), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: no coordinate 'time'; add it with units 'days since ...' or give its name as 'time' under [domain.names]"),
    "lat missing": (lambda c, s: (c.drop_vars("lat"), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: no coordinate 'lat' or 'latitude', nor one with standard_name or units of latitude; add it in degrees or give its name as 'latitude' under [domain.names]"),
    "other place": (lambda c, s: (c.assign_coords(lat=[10.,11.]), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: no cell at (60.0000, 10.0000), which the static file has; bring both to the same grid"),
    "lat nan": (lambda c, s: (c, s.assign_coords(lat=[60.,np.nan])), "data/static.nc: 2 cells with vegetation have no latitude or longitude (first: cell 2); complete them"),
    "static nan elevation": (lambda c, s: (c, at(s,"elevation",np.nan)), "data/static.nc: 'elevation' is missing (NaN) in cell 0 (60.00, 10.00; 1 cells in all); fill it or drop the cell"),
    "static elevation 1e5": (lambda c, s: (c, at(s,"elevation",1e5)), "data/static.nc: 'elevation' is 100000 in cell 0 (60.00, 10.00; 1 cells in all), expected -500..9000; correct the value or its unit"),
    "vegetation half": (lambda c, s: (c, at(s,"vegetation",4.5)), "data/static.nc: unknown vegetation type 4.5 (not a whole number: averaged classes?) in 'vegetation', expected 1..35 (0 or missing: not simulated); correct the field"),
    "vegetation negative": (lambda c, s: (c, at(s,"vegetation",-4.)), "data/static.nc: unknown vegetation type -4 in 'vegetation', expected 1..35 (0 or missing: not simulated); correct the field"),
    "vegetation all nan": (lambda c, s: (c, s.assign(vegetation=s.vegetation*np.nan)), "data/static.nc: no cells to simulate; check the vegetation field and the stride"),
    "texture all zero": (lambda c, s: (c, s.assign(sand=s.sand*0,silt=s.silt*0,clay=s.clay*0)), "data/static.nc: sand + silt + clay is 0 percent in cell 0 (60.00, 10.00; 4 cells in all), expected 100; fractions given as percent? multiply by 100"),
    "texture fraction": (lambda c, s: (c, s.assign(sand=s.sand/100,silt=s.silt/100,clay=s.clay/100)), "data/static.nc: sand + silt + clay is 1 percent in cell 0 (60.00, 10.00; 4 cells in all), expected 100; fractions given as percent? multiply by 100"),
    "static empty": (lambda c, s: (c, s.isel(lat=[])), "data/static.nc: latitude and longitude are missing everywhere; fill in the coordinates"),
    "climate empty": (lambda c, s: (c.isel(time=[]), s), "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: 'time' has no values; give at least one month"),
    "area negative": (lambda c, s: (c, s.assign(area=(("lat","lon"),np.full((2,2),-5.0),{"units":"km2"}))), "data/static.nc: 'area' is -5 in cell 0 (60.00, 10.00; 4 cells in all), expected 0..1e+08; correct the value or its unit"),
    "area nan": (lambda c, s: (c, s.assign(area=(("lat","lon"),np.full((2,2),np.nan),{"units":"km2"}))), "data/static.nc: 'area' is missing (NaN) in cell 0 (60.00, 10.00; 4 cells in all); fill it or drop the cell"),
}  # fmt: skip
"""What is changed in a good climate c and static s, and the sentence."""

OWN_PLANS = {
    "static absent": ("static.nc", "statc.nc", "plan.toml: [domain]: file data/statc.nc not found; check the name and the data folder (--data or JTEM_DATA)"),
    "climate absent": ("climate.nc", "climat.nc", "plan.toml: [domain]: file data/climat.nc not found; check the name and the data folder (--data or JTEM_DATA)"),
    "glob none": ("climate.nc", "cl*x.nc", "data: no file fits 'cl*x.nc'; check the pattern and the folder"),
    "static is climate": ("static.nc", "climate.nc", "data/climate.nc: variable 'elevation' is missing; add it or give its name in the file under [domain.names] (did you mean 'lon'?)"),
    "climate is static": ("climate.nc", "static.nc", "plan.toml: [spinup] cycle 2000-2001: data/static.nc: variable 'tas' is missing; add it, give its name in the file under [domain.names] or the 'layout' of the files (known: elevation, sand, silt, clay, vegetation, lat, lon)"),
    "static is a folder": ("static.nc", ".", "plan.toml: [domain]: file data not found; check the name and the data folder (--data or JTEM_DATA)"),
    "no co2 column": ("co2_column = \"ssp126\"", "co2_column = \"ssp99\"", "plan.toml: [spinup] cycle 2000-2001: CO2 of climate 'historical' after 2014 depends on the scenario, and 'ssp99' is none that is embedded; say which with [domain] co2_column, one of ssp126, ssp585, rcp45, rcp85, ssp245, ssp370, or give a table with [domain] co2"),
    "names unknown": ("static = \"static.nc\"", "static = \"static.nc\"\nnames={tass=\"x\"}", "[domain.names]: unknown key 'tass'; known: air_temperature, precipitation, shortwave_radiation, elevation, sand, silt, clay, vegetation, area, soil_organic_carbon, inundated_fraction, latitude, longitude, time"),
    "names absent": ("static = \"static.nc\"", "static = \"static.nc\"\nnames={air_temperature=\"x\"}", "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: variable 'x' is missing; add it, give its name in the file under [domain.names] or the 'layout' of the files (known: tas, pr, rsds, time, lat, lon)"),
    "layout unknown": ("static = \"static.nc\"", "static = \"static.nc\"\nlayout=\"era6\"", "plan.toml: [domain]: layout 'era6' is unknown; did you mean 'era5'?"),
    "stamp unknown": ("static = \"static.nc\"", "static = \"static.nc\"\nstamp=\"midle\"", "plan.toml: [domain]: stamp 'midle' is unknown; did you mean 'middle'?"),
    "units unknown var": ("static = \"static.nc\"", "static = \"static.nc\"\nunits={tass=\"K\"}", "plan.toml: [spinup] cycle 2000-2001: [domain.units]: unknown key 'tass'; known: air_temperature, precipitation, shortwave_radiation"),
    "units bad": ("static = \"static.nc\"", "static = \"static.nc\"\nunits={precipitation=\"furlong\"}", "plan.toml: [spinup] cycle 2000-2001: data/climate.nc: pr: 'precipitation' is in 'furlong', expected kg m-2 s-1, mm d-1 or mm month-1; correct the units attribute, convert it or give the right unit under [domain.units]"),
    "climate list empty": ("historical = [\"climate.nc\"]", "historical = []", "plan.toml: [spinup] cycle 2000-2001: no climate files given; name at least one netCDF file"),
    "climate text num": ("historical = [\"climate.nc\"]", "historical = 3", "plan.toml: [domain]: 'climate.historical' is 3, expected a list of texts"),
    "community bad": ("static = \"static.nc\"", "static = \"static.nc\"\ncommunity=\"boreal\"", "plan.toml: [domain] community 'boreal' is unknown; did you mean 'boreal_forest'?"),
    "co2 absent": ("co2_column = \"ssp126\"", "co2 = \"co2.csv\"", "plan.toml: [domain]: file data/co2.csv not found; check the name and the data folder (--data or JTEM_DATA)"),
    "subdivide": ("static = \"static.nc\"", "static = \"static.nc\"\nsubdivide=2", "plan.toml: [domain] source 'cf_monthly' does not take 'subdivide'; leave it out, or choose a source that does (climate_grid, isimip, prepared)"),
}  # fmt: skip
"""What of a plan of own files is replaced by what, and the sentence."""

CO2 = {
    "co2 empty": ("", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 table is empty; give rows of year and ppm"),
    "co2 header only": ("year,ppm\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: no row of the CO2 table has a value; give rows of year and ppm"),
    "co2 words": ("year,ppm\n2000,abc\n2001,1\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: line 2: CO2 row '2000,abc' is not a year and a number; correct it"),
    "co2 gap": ("year,ppm\n2000,350\n2002,351\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2001 is missing (table has 2000-2002); complete the table or change the years"),
    "co2 zero": ("year,ppm\n2000,0\n2001,351\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2000 is 0, expected 100..5000 ppm; correct the value"),
    "co2 negative": ("year,ppm\n2000,-9999\n2001,351\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2000 is missing (table has 2001-2001); complete the table or change the years"),
    "co2 fraction": ("year,ppm\n2000,0.00035\n2001,0.00036\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2000 is 0.00035, expected 100..5000 ppm; correct the value"),
    "co2 twice": ("year,ppm\n2000,350\n2000,351\n2001,352\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2000 is given twice, 350 in line 2 and 351 in line 3; choose a scenario or drop one of them"),
    "co2 nan": ("year,ppm\n2000,nan\n2001,352\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2000 is missing (table has 2001-2001); complete the table or change the years"),
    "co2 two columns": ("year,a,b\n2000,350,350\n2001,351,351\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: several columns (a, b); say which one with 'co2_column'"),
    "co2 huge": ("year,ppm\n2000,350000\n2001,351\n", "plan.toml: [spinup] cycle 2000-2001: data/co2.csv: CO2 of 2000 is 350000, expected 100..5000 ppm; correct the value"),
}  # fmt: skip
"""Text of a table of CO2, and the sentence."""

COMMANDS = {
    "check calibration.toml --data absent": "absent: data folder not found; correct --data or the variable JTEM_DATA",
    "calibrate calibration.toml --data absent": "absent: data folder not found; correct --data or the variable JTEM_DATA",
    "prepare good.toml --data afile": "afile: data folder not found; correct --data or the variable JTEM_DATA",
    "run": "the following arguments are required: PLAN.toml ('jtem run --help' lists what there is)",
    "run absent.toml": "absent.toml: plan not found; give the path of a TOML file",
    "run afolder": "afolder: plan cannot be read ([Errno 21] Is a directory: 'afolder'); give the path of a readable TOML file",
    "run bad.toml": "bad.toml: plan cannot be read ('utf-8' codec can't decode byte 0xff in position 0: invalid start byte); give the path of a readable TOML file",
    "run good.toml --part 3/2": "argument --part: '3/2': the part must lie within 1..2 ('jtem run --help' lists what there is)",
    "run good.toml --part x": "argument --part: 'x' is not I/N, e.g. 2/8 ('jtem run --help' lists what there is)",
    "run good.toml --out afile": "afile: is a file, not a folder; choose another with --out DIR",
    "run good.toml --resume": "small: holds no unfinished run to resume; leave out --resume to start one",
    "run good.toml --dask local --part 1/2": "--part and --dask both share out the chunks; give one of them",
    "run good.toml --data absent": "absent: data folder not found; correct --data or the variable JTEM_DATA",
    "run good.toml --outt x": "unrecognized arguments: --outt x ('jtem --help' lists what there is)",
    "run good.toml --log absent/log": "--log absent/log: cannot be written (No such file or directory); choose another file",
    "run calibration.toml": "calibration.toml: unknown section [calibration]; did you mean 'scenario'?",
    "check good.toml extra": "unrecognized arguments: extra ('jtem --help' lists what there is)",
    "check good.toml --data afile": "afile: data folder not found; correct --data or the variable JTEM_DATA",
    "prepare absent.toml": "absent.toml: plan not found; give the path of a TOML file",
    "report absent": "absent: no annual files of a finished run and no simulated.csv; give a folder that 'jtem run' or 'jtem calibrate' wrote",
    "report afolder": "afolder: no annual files of a finished run and no simulated.csv; give a folder that 'jtem run' or 'jtem calibrate' wrote",
    "report": "nothing to report; give the folder of a run or of calibrations, or --profiles TABLE.csv",
    "report --profiles absent.csv": "absent.csv: file not found; check the name and the data folder",
    "export absent": "absent: no annual files of a finished run and no simulated.csv; give a folder that 'jtem run' or 'jtem calibrate' wrote",
    "export afolder --profile isimp": "--profile 'isimp' is unknown; did you mean 'isimip'? ('jtem export --help' lists what there is)",
    "export afolder --profile netcdf": "afolder: holds no Zarr store to turn into netCDF; a run writes one with [output] zarr = true (netCDF files come without)",
    "inspect absent.nc": "absent.nc: file not found; check the name and the data folder",
    "inspect afile": "afile: not a readable netCDF file ([Errno -51] NetCDF: Unknown file format: 'afile'); it may be cut short, fetch it again (other formats: convert to netCDF; a table of one site: jtem site)",
    "inspect afile --stamp midle": "--stamp 'midle' is unknown; did you mean 'middle'? ('jtem inspect --help' lists what there is)",
    "sensitivity good.toml": "good.toml: section [sensitivity.quantities] is missing; add e.g. loss = \"sum RH_PF 2015-2100\"",
    "sensitivity good.toml --data absent": "absent: data folder not found; correct --data or the variable JTEM_DATA",
    "calibrate good.toml": "good.toml: unknown section [plan]; known: calibration, data, parameter, model, domain, history, errors, fit, search, validation, posterior",
    "calibrate calibration.toml --data . --overlay liu2042": "calibration.toml: [model]: unknown parameter overlay 'liu2042'; did you mean 'liu2024'? (or give a .toml path)",
    "calibrate calibration.toml --data . --resume --out fresh": "fresh/search.json: nothing to resume ([Errno 2] No such file or directory: 'fresh/search.json'); start without --resume",
    "site": "the site: latitude is missing; give it in degrees",
    "site US-Pr": "unknown site 'US-Pr'; did you mean 'US-Prr'? (a table is given by a path such as 'tower.csv')",
    "site --latitude 68": "the site: longitude is missing; give it in degrees",
    "site --latitude nan --longitude 0": "latitude is nan, expected a number; correct it",
    "site US-Prr --scenario spp126": "scenario 'spp126' is unknown; did you mean 'ssp126'?",
    "site US-Prr --permafrost layerd": "the model: [model]: permafrost 'layerd' is unknown; did you mean 'layered'?",
    "site US-Prr --parameters liu2042": "the model: unknown parameter overlay 'liu2042'; did you mean 'liu2024'? (or give a .toml path)",
    "site US-Prr --years 2000 1990": "years ends in 1990 before it begins in 2000; swap them",
    "site US-Prr --years 1700 1990": "years 1700-1990 are not covered by the climate of 'US-Prr' (1850-2100); choose years within it",
    "site US-Prr --community tundra": "US-Prr: community 'tundra' is unknown; did you mean 'wet_moist_tundra'?",
    "site US-Prr --unit x": "--unit 'x' is not NAME=VALUE; write it like --unit 'precipitation=mm d-1'",
    "site US-Prr --texture 1 2": "argument --texture: expected 3 arguments ('jtem site --help' lists what there is)",
    "site US-Prr --fill mean": "site 'US-Prr' is known with its climate; leave fill out",
    "site US-Prr --elevation 100": "site 'US-Prr' is known with its elevation; leave elevation out",
    "site US-Prr --co2 x.csv": "site 'US-Prr' is known with its CO2; leave co2 out",
    "site US-Prr --static x.nc": "site 'US-Prr' is known with its fields; leave static out",
    "site US-Prr --texture 30 30 40": "site 'US-Prr' is known with its texture; leave texture out",
    "site US-Prr --unit a=b": "site 'US-Prr' is known with its climate; leave units out",
    "new sit": "kind 'sit' is unknown; did you mean 'site'? ('jtem new --help' lists what there is)",
    "new site absent/x.toml": "absent/x.toml: its folder does not exist; make it first",
    "new site afolder": "afolder: exists already; give another name or overwrite it with --force",
    "schema runn": "kind 'runn' is unknown; did you mean 'run'? ('jtem schema --help' lists what there is)",
    "completion zsch": "shell 'zsch' is unknown; did you mean 'zsh'? ('jtem completion --help' lists what there is)",
    "parameters --overlay liu2042": "--overlay: unknown parameter overlay 'liu2042'; did you mean 'liu2024'? (or give a .toml path)",
    "demo --out afile": "afile: is a file, not a folder; choose another with --out DIR",
    "rerun absent.nc": "absent.nc: netCDF file cannot be read (No such file or directory); check the path",
    "rerun afile": "afile: netCDF file cannot be read (NetCDF: Unknown file format); check the path",
    "runn": "COMMAND 'runn' is unknown; did you mean 'run'? ('jtem --help' lists what there is)",
    "site --latitud 68 --longitude x": "argument --longitude/--lon: invalid float value: 'x' ('jtem site --help' lists what there is)",
}  # fmt: skip
"""Words of a command line, and the sentence."""

CALLS = {
    "jtem.site(3)": "the site: latitude is missing; give it in degrees",
    "jtem.site()": "the site: latitude is missing; give it in degrees",
    "jtem.site(latitude=\"68N\", longitude=0.0)": "latitude is '68N', expected a number; correct it",
    "jtem.site(latitude=float(\"nan\"), longitude=0.0)": "latitude is nan, expected a number; correct it",
    "jtem.site(latitude=68.0, longitude=float(\"inf\"))": "longitude is inf, expected a number; correct it",
    "jtem.site(latitude=68, longitude=-149, silt_clay=150)": "silt_clay is 150, expected 0..100 percent; correct it",
    "jtem.site(latitude=68, longitude=-149, silt_clay=\"a\")": "silt_clay is 'a', expected a number; correct it",
    "jtem.site(latitude=68, longitude=-149, texture=(\"a\", \"b\", \"c\"))": "texture is 'a', expected a number; correct it",
    "jtem.site(latitude=68, longitude=-149, texture=5)": "texture is 5, expected numbers; give a tuple of them",
    "jtem.site(latitude=68, longitude=-149, elevation=\"high\")": "elevation is 'high', expected a number; correct it",
    "jtem.site(latitude=68, longitude=-149, soil_organic_carbon=(1, 2))": "(68, -149): soil_organic_carbon has 2 numbers, expected kg m-2 in 0-0.3, 0.3-1, 1-2, 2-3 m; give four",
    "jtem.Model(jtem.site(latitude=68, longitude=-149, soil_organic_carbon=(-1, 2, 3, 4))).check()": "embedded fields at (68, -149): 'soil_organic_carbon' has values outside 0..500 kg m-2; give kg m-2 per interval and NaN where nothing was observed",
    "jtem.site(latitude=68, longitude=-149, community=\"tundra\")": "(68, -149): community 'tundra' is unknown; did you mean 'wet_moist_tundra'?",
    "jtem.site(latitude=68, longitude=-149, static=\"x.nc\")": "x.nc: file not found; check the name and the data folder",
    "jtem.site(\"US-Prr\", elevation=5.0)": "site 'US-Prr' is known with its elevation; leave elevation out",
    "jtem.site(\"US-Prr\", co2=400.0)": "site 'US-Prr' is known with its CO2; leave co2 out",
    "jtem.region(\"x.nc\", static=\"y.nc\")": "x.nc: file not found; check the name",
    "jtem.region(\"x.nc\", static={\"elevation\": 3})": "static['elevation'] is a int, expected the path of a raster or CF file; give one",
    "jtem.region([], static=\"y.nc\")": "y.nc: file not found; check the name",
    "jtem.Model(\"US-Prr\", permafrost=None)": "permafrost is None; leave it out for the default, or 'none' for ground without permafrost carbon",
    "jtem.Model(\"US-Prr\", snow=None)": "snow is None; leave it out for the default",
    "model.replace(permafrost=None)": "permafrost is None; leave it out for the default, or 'none' for ground without permafrost carbon",
    "model.calibrate(pd.DataFrame({\"stream\": [\"nep\"], \"value\": [1.0]}), [P])": "the observations: a table of one observation a row has the columns variable, year, month and value (error, unit, depth_m where known); rename its column 'stream' to 'variable'",
    "jtem.Model(3)": "a model needs a place, found int; make it with jtem.site or jtem.region",
    "jtem.Model(None)": "a model needs a place, found NoneType; make it with jtem.site or jtem.region",
    "jtem.Model({\"a\":1})": "a model needs a place, found dict; make it with jtem.site or jtem.region",
    "jtem.Model(\"US-Prr\", permafrost=\"layerd\")": "the model: [model]: permafrost 'layerd' is unknown; did you mean 'layered'?",
    "jtem.Model(\"US-Prr\", precision=\"double\")": "the model: [model]: precision 'double' is unknown; known: mixed, float64, float32",
    "jtem.Model(\"US-Prr\", nitrogen=\"half\")": "the model: [model]: nitrogen 'half' is unknown; known: closed, open",
    "jtem.Model(\"US-Prr\", heat_substeps=0)": "the model: [model]: 'heat_substeps' is 0, expected a number within 1..60",
    "jtem.Model(\"US-Prr\", heat_substeps=6.5)": "the model: [model]: 'heat_substeps' is 6.5, expected a whole number",
    "jtem.Model(\"US-Prr\", parameters=\"liu2042\")": "the model: unknown parameter overlay 'liu2042'; did you mean 'liu2024'? (or give a .toml path)",
    "jtem.Model(\"US-Prr\", parameters=3)": "parameters is a int; give the name or path of an overlay, or a list of them",
    "model.parameter(\"soil_thermal.snow_densty\")": "unknown parameter 'soil_thermal.snow_densty'; did you mean 'soil_thermal.snow_density'?",
    "model.parameter(P+\"[2]\")": "'soil_thermal.snow_density[2]': the parameter has one number; correct the index",
    "model.parameter(P+\"[a]\")": "unknown parameter 'soil_thermal.snow_density[a]'; did you mean 'soil_thermal.snow_density'?",
    "model.parameter(3)": "a parameter is called 3; give its name, such as 'soil_thermal.snow_density'",
    "model.with_parameters({\"soil_thermal.snow_densty\":3})": "unknown parameter 'soil_thermal.snow_densty'; did you mean 'soil_thermal.snow_density'?",
    "model.with_parameters({P:3})": "'soil_thermal.snow_density' = 3 for 'alpine_tundra_polar_desert' is outside its bounds [50, 600] kg m-3; choose a value within",
    "model.with_parameters({P:float(\"nan\")})": "'soil_thermal.snow_density' = nan for 'alpine_tundra_polar_desert' is outside its bounds [50, 600] kg m-3; choose a value within",
    "model.with_parameters({P:\"a\"})": "'soil_thermal.snow_density' for 'alpine_tundra_polar_desert' is 'a', expected a number; correct it",
    "model.with_parameters({P:[200, 300]})": "'soil_thermal.snow_density' has 2 numbers, expected 1; give as many",
    "model.with_parameters({P:None})": "'soil_thermal.snow_density' = None for 'alpine_tundra_polar_desert' is outside its bounds [50, 600] kg m-3; choose a value within",
    "model.with_parameters({P:True})": "'soil_thermal.snow_density' = True for 'alpine_tundra_polar_desert' is outside its bounds [50, 600] kg m-3; choose a value within",
    "model.with_parameters({P:{\"boreal\":200}})": "'soil_thermal.snow_density': unknown community 'boreal'; did you mean 'boreal_forest'?",
    "model.with_parameters(3)": "with_parameters is 3; give a dictionary such as {'soil_thermal.snow_density': 200.0}",
    "model.with_parameters([P])": "with_parameters is ['soil_thermal.snow_density']; give a dictionary such as {'soil_thermal.snow_density': 200.0}",
    "model.replace(maintenance_temprature=lambda x:x)": "unknown process 'maintenance_temprature'; did you mean 'maintenance_temperature'?",
    "model.replace(maintenance_temperature=3)": "process 'maintenance_temperature' is a int, expected a function; give one",
    "model.replace(maintenance_temperature=lambda: 3)": "process 'maintenance_temperature' takes (air_temperature, p); give <lambda> the same arguments",
    "model.replace(place=3)": "place is a int; make it with jtem.site or jtem.region",
    "model.replace(permafrost=\"x\")": "the model: [model]: permafrost 'x' is unknown; known: none, tem6, thaw_ratio, thaw_ratio_irreversible, thaw_ratio_inventory, thaw_ratio_concentration, layered, layered_concentration",
    "model.run(years=(2000, 1990))": "years ends in 1990 before it begins in 2000; swap them",
    "model.run(years=2000)": "years is 2000, expected (first, last); give two years",
    "model.run(years=\"2000-2010\")": "years is '2000-2010', expected (first, last); give two years",
    "model.run(years=(1, 2, 3))": "years is (1, 2, 3), expected (first, last); give two years",
    "model.run(years=(1700, 1990))": "years 1700-1990 are not covered by the climate of 'US-Prr' (1850-2100); choose years within it",
    "model.run(spin_up=\"equlibrium\")": "US-Prr: [spinup]: method 'equlibrium' is unknown; did you mean 'equilibrium'?",
    "model.run(spin_up={\"metod\":\"repeat\"})": "US-Prr: [spinup]: unknown key 'metod'; did you mean 'method'?",
    "model.run(spin_up=3)": "spin_up is 3; give 'equilibrium', 'repeat' or a dictionary of [spinup] keys",
    "model.run(monthly=[\"gppp\"])": "US-Prr: [output]: unknown output variable 'gppp'; did you mean 'gpp'? ('jtem variables' lists all)",
    "model.run(monthly=\"gppp\")": "monthly is 'gppp', expected a list of names; give one such as ['npp', 'soil_carbon']",
    "model.run(annual=3)": "annual is 3, expected a list of names; give one such as ['npp', 'soil_carbon']",
    "model.run(base_years=(1700, 1701))": "US-Prr: [permafrost] base_years [1700, 1701] must lie within history 1850-2100; change them",
    "model.run(start=3)": "start is a int; give a result, its state, or the path of a state file",
    "model.run(start=\".\")": ".: holds no results of jtem; give the folder of a run",
    "model.check(year=(1, 2))": "a run has no argument 'year'; did you mean 'years'?",
    "model.plan(spinup=\"repeat\")": "a run has no argument 'spinup'; did you mean 'spin_up'?",
    "model.ensemble({})": "an ensemble needs as many values of each parameter (none); give lists of one length",
    "model.ensemble({P:[1, 2], \"litter.carbon_rate\":[1]})": "an ensemble needs as many values of each parameter (soil_thermal.snow_density: 2, litter.carbon_rate: 1); give lists of one length",
    "model.ensemble({P:[200, 3000]})": "'soil_thermal.snow_density' = 3000 for 'alpine_tundra_polar_desert' is outside its bounds [50, 600] kg m-3; choose a value within",
    "model.ensemble({P:200})": "an ensemble's values of 'soil_thermal.snow_density' are 200; give a list, one value a member",
    "model.ensemble({P:\"ab\"})": "an ensemble's values of 'soil_thermal.snow_density' are 'ab'; give a list, one value a member",
    "model.gradient(\"nep\")": "quantity 'nep' is not understood; write \"HOW VARIABLE FIRST-LAST\", such as \"sum nep 2000-2022\"",
    "model.gradient(\"summ nep 2000-2010\")": "quantity 'summ nep 2000-2010': 'summ' is unknown; did you mean 'sum'?",
    "model.gradient(\"sum nepp 2000-2010\")": "quantity 'sum nepp 2000-2010': unknown output variable 'nepp'; did you mean 'npp'? ('jtem variables' lists all)",
    "model.gradient(\"sum nep 2010-2000\")": "quantity 'sum nep 2010-2000' ends in 2000 before it begins in 2010; swap them",
    "model.gradient(\"sum nep 1700-1710\", years=(2000, 2002))": "the quantity needs 1700-1710 but the run has 2000-2002; change the window or the years",
    "model.gradient(\"sum nep 2000-2010\", wrt=\"paramters\")": "wrt 'paramters' is unknown; did you mean 'parameters'?",
    "model.gradient(3)": "quantity '3' is not understood; write \"HOW VARIABLE FIRST-LAST\", such as \"sum nep 2000-2022\"",
    "model.sensitivity(\"sum nep 2000-2010\", \"sobl\")": "method 'sobl' is unknown; did you mean 'sobol'?",
    "model.sensitivity(\"sum nep 2000-2002\", \"sobol\", [P], samples=7, years=(2000, 2002))": "samples of a Sobol ensemble is 7; give a power of 2, such as 256",
    "model.sensitivity(\"sum nep 2000-2002\", \"sobol\", [P], spread=-1, years=(2000, 2002))": "parameter 'soil_thermal.snow_density' has no room within its bounds for a common relative change; leave it out",
    "model.calibrate({\"year\":[2000]}, [\"x\"])": "the observations: a site needs a CSV or netCDF path, a DataFrame, a Dataset or the name of a known site; give one",
    "model.calibrate(\"x.csv\", [P])": "x.csv: table cannot be read ([Errno 2] No such file or directory: 'x.csv'); give the path of a CSV file",
    "model.calibrate(3, [P])": "the observations: a site needs a CSV or netCDF path, a DataFrame, a Dataset or the name of a known site; give one",
    "model.calibrate(\"x.csv\", [])": "x.csv: table cannot be read ([Errno 2] No such file or directory: 'x.csv'); give the path of a CSV file",
    "jtem.load(\"absent\")": "absent: folder not found; give the folder of a run",
    "jtem.load(\".\")": ".: holds no results of jtem; give the folder of a run",
    "jtem.load(3)": "a folder of results is a int; give its path",
    "jtem.open(\"absent.toml\")": "absent.toml: plan not found; give the path of a TOML file",
    "jtem.open({\"plan\":{}})": "the plan: [plan]: key 'name' is missing; add it",
    "jtem.open(3)": "a plan is a int; give a path, the text of a plan or a dictionary of sections",
    "jtem.open(\"[plan]\\nname='a'\\n\")": "the plan: section [domain] is missing; add it",
    "jtem.open({\"plan\":{\"name\":\"a\"}, \"domain\":{\"source\":\"embedded\"}, \"history\":{\"first\":2000, \"last\":2001}}, data=\"absent\")": "absent: data folder not found; correct --data or the variable JTEM_DATA",
    "jtem.open(\"a\\nb\")": "the plan: not valid TOML (Expected '=' after a key in a key/value pair (at line 1, column 2)); correct that line",
}  # fmt: skip
"""A call of Python (with ``jtem``, a ``model`` and the name ``P``), and the sentence."""


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JTEM_DATA", raising=False)
    return tmp_path


def refused(words, capsys) -> str:
    """The sentence of a command that must change nothing."""
    before = sorted(os.listdir("."))
    try:
        code = main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2 and sorted(os.listdir(".")) == before
    return one_sentence(capsys).removeprefix("jtem: ").removesuffix("\n")


def replaced(good: str, old: str | None, new: str) -> str:
    assert old is None or old in good
    return new if old is None else good.replace(old, new, 1) if old else good + new


@pytest.mark.parametrize("what", PLANS)
def test_a_wrong_plan(what, folder, capsys):
    old, new, sentence = PLANS[what]
    (folder / "plan.toml").write_text(replaced(GOOD, old, new))
    assert refused(["run", "plan.toml", "--out", "out"], capsys) == sentence


@pytest.mark.parametrize("what", OVERLAYS)
def test_a_wrong_overlay(what, folder, capsys):
    text, sentence = OVERLAYS[what]
    (folder / "own.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    (folder / "plan.toml").write_text(GOOD + '[model]\nparameters = ["own.toml"]\n')
    assert refused(["run", "plan.toml", "--out", "out"], capsys) == sentence


@pytest.mark.parametrize("what", CALIBRATIONS)
def test_a_wrong_calibration(what, folder, capsys):
    old, new, sentence = CALIBRATIONS[what]
    (folder / "o.csv").write_text(HEAD + ROWS)
    (folder / "plan.toml").write_text(replaced(CAL, old, new))
    assert refused(["check", "plan.toml", "--data", "."], capsys) == sentence


@pytest.mark.parametrize("what", OBSERVATIONS)
def test_wrong_observations(what, folder, capsys):
    text, sentence = OBSERVATIONS[what]
    (folder / "o.csv").write_text(text)
    (folder / "plan.toml").write_text(CAL)
    assert refused(["check", "plan.toml", "--data", "."], capsys) == sentence


@pytest.mark.parametrize("what", FILES)
def test_a_wrong_file(what, folder, capsys):
    change, sentence = FILES[what]
    inputs(Path("data"), change)
    (folder / "plan.toml").write_text(OWN)
    assert refused(["run", "plan.toml", "--data", "data", "--out", "out"], capsys) == sentence


@pytest.mark.parametrize("what", OWN_PLANS)
def test_a_wrong_plan_of_own_files(what, folder, capsys):
    old, new, sentence = OWN_PLANS[what]
    inputs(Path("data"))
    (folder / "plan.toml").write_text(replaced(OWN, old, new))
    assert refused(["run", "plan.toml", "--data", "data", "--out", "out"], capsys) == sentence


@pytest.mark.parametrize("what", CO2)
def test_a_wrong_table_of_carbon_dioxide(what, folder, capsys):
    text, sentence = CO2[what]
    inputs(Path("data"))
    Path("data/co2.csv").write_text(text)
    (folder / "plan.toml").write_text(replaced(OWN, 'co2_column = "ssp126"', 'co2 = "co2.csv"'))
    assert refused(["run", "plan.toml", "--data", "data", "--out", "out"], capsys) == sentence


@pytest.mark.parametrize("words", COMMANDS)
def test_a_wrong_command_line(words, folder, capsys):
    (folder / "good.toml").write_text(GOOD)
    (folder / "calibration.toml").write_text(CAL)
    (folder / "bad.toml").write_bytes(b"\xff\xfe")
    (folder / "o.csv").write_text(HEAD + ROWS)
    (folder / "afile").write_text("x")
    (folder / "afolder").mkdir()
    assert refused(words.split(), capsys) == COMMANDS[words]


SCRIPT = """
import json, sys, warnings
import pandas as pd
import jtem
warnings.simplefilter("ignore")
model, P, found = jtem.Model("US-Prr"), "soil_thermal.snow_density", {}
for call in json.load(sys.stdin):
    try:
        found[call] = f"no error: {eval(call)!r}"
    except jtem.InputError as error:
        found[call] = str(error)
    except Exception as error:
        found[call] = f"traceback: {error!r}"
print(json.dumps(found))
"""


def test_wrong_calls(folder):
    """In a process of their own, because the tests check all types at run time and users' Python does not."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    words = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(words, input=json.dumps(list(CALLS)), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == CALLS and os.listdir(".") == []


def test_there_are_many():
    tables = (PLANS, OVERLAYS, CALIBRATIONS, OBSERVATIONS, FILES, OWN_PLANS, CO2, COMMANDS, CALLS)
    assert sum(map(len, tables)) > 250

import dataclasses

import numpy as np
import pytest

from jtem import run, step, variables
from jtem.errors import InputError
from jtem.physics import water
from jtem.state import Climate


def names(*classes) -> set[str]:
    return {field.name for kind in classes for field in dataclasses.fields(kind)}


def test_every_output_is_in_the_table_and_nothing_else():
    months, once = np.zeros(12), np.zeros(())
    forcing = set(run.forcing_fields(Climate(months, months, months, once, months, once)))
    monthly = names(step.HeatMonth, water.WaterMonth, step.CarbonMonth)
    assert not monthly & forcing
    monthly |= forcing
    yearly = names(step.YearOutput)
    assert set(names(step.MonthOutput)) == {"heat", "water", "carbon"}
    assert {v.name for v in variables.VARIABLES.values() if v.monthly} == monthly
    assert {v.name for v in variables.VARIABLES.values() if not v.monthly and not v.derived} == yearly


def test_names_in_files_are_unique_and_every_row_is_complete():
    table = list(variables.VARIABLES.values())
    assert len({v.file_name for v in table}) == len(table)
    for v in table:
        assert v.low < v.high and v.long_name and v.yearly in variables.REDUCTIONS
        assert v.unit in variables.CONVERSIONS
        assert v.layer in ("", "heat_layer", "layer")
        if v.conversion.rate and v.monthly:
            assert v.yearly == "sum", v.name


def test_layered_outputs_are_those_with_a_layer_axis():
    for kind in (step.HeatMonth, water.WaterMonth, step.CarbonMonth, step.YearOutput):
        for field in dataclasses.fields(kind):
            shape = field.type.replace("'", '"').split('"')[1] if isinstance(field.type, str) else field.type.dim_str
            first = shape.split()[0]
            expected = first if first in ("layer", "heat_layer") else ""
            assert variables.VARIABLES[field.name].layer == expected, field.name


def test_monthly_flux_uses_the_days_of_the_month():
    gpp = variables.find("gpp")
    values = variables.convert(gpp, np.full((2, 24), 100.0), "monthly", 1)
    assert values[0, 1] == pytest.approx(0.1 / (28 * 86400))
    assert values[1, 12] == pytest.approx(0.1 / (31 * 86400))
    assert variables.convert(gpp, np.array([365.0]), "annual", 0)[0] == pytest.approx(0.365 / (365 * 86400))
    assert variables.convert(variables.find("tsl"), np.array([0.0]), "monthly", 0)[0] == 273.15


def test_forcing_has_the_names_and_units_of_climate_files():
    table = [variables.find(name) for name in ("air_temperature", "PREC", "rsds", "co2")]
    assert [v.file_name for v in table] == ["tas", "pr", "rsds", "co2"]
    assert [v.file_unit for v in table] == ["K", "kg m-2 s-1", "W m-2", "mol mol-1"]
    assert [v.yearly for v in table] == ["mean", "sum", "mean", "mean"]
    assert all(v.cell_methods(f).endswith("time: mean") for v in table for f in ("monthly", "annual"))
    rain = variables.convert(table[1], np.full((1, 12), 62.0), "monthly", 1)
    assert rain[0, 0] * 31 * 86400 == pytest.approx(62.0) and rain[0, 1] * 28 * 86400 == pytest.approx(62.0)
    assert variables.convert(table[3], np.array([400.0]), "annual", 0)[0] == pytest.approx(4e-4)


def test_selection_takes_any_known_name_and_refuses_others():
    monthly, annual = variables.selection(["gpp", "NPP", "gpp"], ["ALT", "vegetation_carbon", "permafrost_fraction"])
    assert monthly == ("gross_primary_production", "net_primary_production")
    assert annual == (("active_layer_thickness", "year"), ("vegetation_carbon", "last"))
    with pytest.raises(InputError, match=r"unknown output variable 'vegetation_carbn'.*vegetation_carbon"):
        variables.selection([], ["vegetation_carbn"])
    with pytest.raises(InputError, match="once a year"):
        variables.selection(["active_layer_thickness"], [])


def test_table_prints_every_variable():
    assert len(variables.table().splitlines()) == len(variables.VARIABLES) + 1
    assert len(variables.table(markdown=True).splitlines()) == len(variables.VARIABLES) + 2


def test_cell_methods():
    assert variables.find("gpp").cell_methods("annual").endswith("time: mean")
    assert variables.find("cVeg").cell_methods("monthly").endswith("time: point")
    assert variables.find("thawdepth").cell_methods("annual").endswith("time: maximum")
    assert variables.find("snd").cell_methods("monthly").endswith("time: mean")

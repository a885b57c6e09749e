"""The monthly step: the only place where processes meet.

``model`` is the whole on one page; ``heat``, ``water`` and ``carbon`` hold a pass each; ``column`` what is fixed at a column;
``processes`` the functions that may be replaced.
"""

from jtem.physics.soil_heat import KEEP_PHASES
from jtem.step.carbon import (
    CarbonMonth,
    CarbonState,
    CarbonYear,
    total_carbon,
    total_nitrogen,
)
from jtem.step.carbon import close_year as carbon_close_year
from jtem.step.carbon import month as carbon_month
from jtem.step.column import Column, Design, Parameters, derive, select_community, with_processes
from jtem.step.heat import HeatMonth
from jtem.step.heat import close_year as heat_close_year
from jtem.step.heat import month as heat_month
from jtem.step.model import (
    MonthOutput,
    State,
    YearOutput,
    begin_permafrost,
    close_year,
    month,
    start,
    year_values,
)
from jtem.step.processes import Processes
from jtem.step.water import WaterStateWithThaw
from jtem.step.water import close_year as water_close_year
from jtem.step.water import month as water_month

__all__ = [
    "KEEP_PHASES",
    "CarbonMonth",
    "CarbonState",
    "CarbonYear",
    "Column",
    "Design",
    "HeatMonth",
    "MonthOutput",
    "Parameters",
    "Processes",
    "State",
    "WaterStateWithThaw",
    "YearOutput",
    "begin_permafrost",
    "carbon_close_year",
    "carbon_month",
    "close_year",
    "derive",
    "heat_close_year",
    "heat_month",
    "month",
    "select_community",
    "start",
    "total_carbon",
    "total_nitrogen",
    "water_close_year",
    "water_month",
    "with_processes",
    "year_values",
]

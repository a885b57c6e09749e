"""Ground of the half-degree domain by sets of parameters: permafrost area and thaw depth by vegetation. Heat alone: no carbon.

The mean climate of 1901-30 repeats until its heat does, then 1981-2014 follows; thaw depth is the mean of 2006-14. Permafrost is
ground that thaws less than 10 m deep, as in Liu et al. (2024), who print 14.4 million km2 in 2010-15.

    python benchmarks/ground_area.py --data DATA [--stride 48] [--options default overlay fine+place+light+FILE.toml]
"""

import argparse
import functools
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from ground_skill import words  # noqa: E402
from jtem import plan as plans  # noqa: E402
from jtem.assemble import course as assembled  # noqa: E402
from jtem.devices import use_all_cores  # noqa: E402
from jtem.run import course, spinup, years  # noqa: E402

PLAN = """
[plan]
name = "ground"
[domain]
source = "climate_grid"
domain = "all"
stride = {stride}
[model]
permafrost = "none"
{model}
[spinup]
climate = "historical"
cycle = [1901, 1930]
[history]
first = 1981
last = 2014
"""
DEEP, MEAN_OF = 10.0, 9


def thaw_depth(parameters, climate, history, cell, *, design):
    """Thaw depth (m) of each year of history of one column, (year,)."""
    column, state = course.start(parameters, cell, climate, design=design)
    thermal, _ = spinup.heat_of_one_year(state.thermal, climate, cell, column, years=60, design=design)
    step = functools.partial(years.heat, design=design)
    _, made = years.many(lambda state, of: step(state, of, cell, column), thermal, history)
    return made.thaw.active_layer_thickness


def main() -> None:
    """A table an option."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--stride", type=int, default=48)
    parser.add_argument("--options", nargs="+", default=["default", "overlay"])
    arguments = parser.parse_args()
    use_all_cores()
    for option in arguments.options:
        text = PLAN.format(stride=arguments.stride, model=words(option).replace('["', '["liu2024", "'))
        prepared = assembled.prepare(plans.parse(text), arguments.data)
        e = prepared.experiment
        assert e.spin_up is not None
        repeated, history = (load(e.column_cell) for load in (e.spin_up.climate, e.stages[0].climate))
        mean = jax.tree.map(lambda leaf: np.asarray(leaf).mean(axis=1), repeated)
        mean = mean.__class__(**{**vars(mean), "following_air_temperature": mean.air_temperature[:, 0]})
        run = jax.jit(jax.vmap(functools.partial(thaw_depth, design=e.design), in_axes=(None, 0, 0, 0)))
        depth = np.asarray(run(e.parameters, mean, history, e.columns))[:, -MEAN_OF:].mean(axis=1)
        area = 1e-6 * prepared.grid.area[prepared.grid.column_cell] * prepared.grid.column_fraction
        frozen = depth < DEEP
        print(
            f"== {option}: {depth.size} columns, permafrost on {area[frozen].sum():.1f} of {area.sum():.1f} million km2"
        )
        names = np.array(prepared.table.communities)[np.asarray(e.columns.community)]
        for name in sorted(set(names[frozen])):
            mine = names == name
            part = mine & frozen
            print(
                f"   {name}: permafrost on {100 * area[part].sum() / area[mine].sum():.0f} % of "
                f"{area[mine].sum():.2f} million km2, thaw depth {np.average(depth[part], weights=area[part]):.2f} m",
                flush=True,
            )


if __name__ == "__main__":
    main()

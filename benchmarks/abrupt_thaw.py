"""The inventory of abrupt thaw of Turetsky et al. (2020) by ``jtem.physics.abrupt_thaw``: its areas and emissions, 1900-2300.

``python benchmarks/abrupt_thaw.py`` prints them beside the same equations solved to ten digits, and the paper's totals.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from jtem.files import data_path
from jtem.physics import abrupt_thaw

FIRST, TURN, LAST = 1900, 2000, 2300
KM2 = 1e6 * 1e-15
"""gC m-2 over km2 to Pg C."""


@functools.cache
def published() -> dict:
    """The paper's numbers as in ``data/published/turetsky2020.toml``."""
    return tomllib.loads(data_path("published", "turetsky2020.toml").read_text())


def networks(scenario: str) -> list[dict]:
    """The parts of the inventory that have rates for the scenario."""
    return [part for part in published()["network"] if scenario in part["trend"]]


def balance(part: Mapping, when: str) -> np.ndarray:
    """What each state emits (Pg C per km2 and year; all carbon, CH4), (2, state)."""
    dioxide, methane, moved = -np.asarray(part[when], float).T
    moved = moved * np.asarray(part.get("mineralized", np.ones(moved.size)))
    mineralized = "mineralized" in part
    eroded_methane = 0.05 * moved * (np.arange(moved.size) == 1) + 0.03 * moved * (np.arange(moved.size) == 0)
    return KM2 * np.stack([dioxide + methane + moved, methane + (eroded_methane if mineralized else 0.0)])


def by_jtem(part: Mapping, rates: jax.Array, trend: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Areas (year, state; km2) at the beginning of 1901-2301 and cumulative emission (year, 2; Pg C) of one network.

    ``rates``: (2, flow) until and at 2000; ``trend``: (flow,) a year after 2000.
    """
    between = [tuple(pair) for pair in part["between"]]
    emitted = jnp.stack([jnp.asarray(balance(part, when)) for when in ("fluxes_to_2000", "fluxes")])

    def one(carried: tuple, year: jax.Array) -> tuple[tuple, tuple]:
        late = year >= TURN
        base, fluxes = jnp.where(late, rates[1], rates[0]), jnp.where(late, emitted[1], emitted[0])

        def change(held: tuple, time: float) -> tuple:
            k = base + jnp.where(late, trend * (year - TURN + time), 0.0)
            return abrupt_thaw.flow(held[0], tuple(k), between), fluxes @ held[0]

        carried = abrupt_thaw.over_year(change, carried)
        return carried, carried

    start = (jnp.asarray(part["area"]), jnp.zeros(2))
    return jax.lax.scan(one, start, jnp.arange(float(FIRST), float(LAST)))[1]


def solved(part: Mapping, scenario: str) -> tuple[np.ndarray, np.ndarray]:
    """The same by an adaptive solver at tight tolerance, written apart from jtem."""
    count = len(part["area"])

    def rates_of_change(time, y, rates, trend, emitted):
        change = np.zeros(count)
        for (donor, receiver), rate, more in zip(part["between"], rates, trend, strict=True):
            moved = (rate + more * time) * y[donor]
            change[donor] -= moved
            change[receiver] += moved
        return np.concatenate([change, emitted @ y[:count]])

    y, parts = np.concatenate([part["area"], np.zeros(2)]), []
    trend = part["trend"][scenario]
    for rates, more, when, years in (
        (part["rates_to_2000"], np.zeros(len(trend)), "fluxes_to_2000", TURN - FIRST),
        (part["rates_2000"], trend, "fluxes", LAST - TURN),
    ):
        given = dict(method="LSODA", rtol=1e-10, atol=1e-9, t_eval=np.arange(1, years + 1))
        found = solve_ivp(rates_of_change, (0, years), y, args=(rates, more, balance(part, when)), **given).y
        parts.append(found.T)
        y = found[:, -1]
    both = np.concatenate(parts)
    return both[:, :count], both[:, count:]


def arguments(part: Mapping, scenario: str) -> tuple[jax.Array, jax.Array]:
    """Rates and trend of a network as :func:`by_jtem` takes them."""
    return jnp.asarray([part["rates_to_2000"], part["rates_2000"]]), jnp.asarray(part["trend"][scenario])


def elasticities(scenario: str) -> list[tuple[float, str]]:
    """Percent of all emission 2000-2300 per percent of each rate at 2000 and of its trend, the largest first."""
    found, total = [], 0.0
    for part in networks(scenario):

        def since(rates: jax.Array, trend: jax.Array, part: Mapping = part) -> jax.Array:
            emitted = by_jtem(part, rates, trend)[1]
            return emitted[-1, 0] - emitted[TURN - FIRST - 1, 0]

        given = arguments(part, scenario)
        value, (by_rate, by_trend) = jax.jit(jax.value_and_grad(since, argnums=(0, 1)))(*given)
        total += float(value)
        for k, (donor, receiver) in enumerate(part["between"]):
            words = f"{part['name']}: {part['states'][donor]} to {part['states'][receiver]}"
            found += [
                (float(by_rate[1, k] * given[0][1, k]), words),
                (float(by_trend[k] * given[1][k]), f"{words}, trend"),
            ]
    return sorted(((effect / total, words) for effect, words in found), key=lambda one: -abs(one[0]))


def main() -> None:
    """Both solutions of every network, the totals, and what they depend on."""
    jax.config.update("jax_enable_x64", True)
    paper = published()
    for scenario in ("rcp85", "rcp45"):
        total = np.zeros(2)
        print(
            f"{scenario}: areas in 2300 (1,000 km2), emission 2000-2300 (Pg C, of it CH4), largest difference to the solver"
        )
        for part in networks(scenario):
            area, emitted = (np.asarray(x) for x in by_jtem(part, *arguments(part, scenario)))
            exact = solved(part, scenario)
            pairs = zip((area, emitted[99:]), (exact[0], exact[1][99:]), strict=True)
            off = max(float(np.abs(mine / theirs - 1).max()) for mine, theirs in pairs)
            since = emitted[-1] - emitted[TURN - FIRST - 1]
            total += since
            states = ", ".join(
                f"{name} {value / 1e3:.1f}" for name, value in zip(part["states"], area[-1], strict=True)
            )
            print(f"  {part['name']}: {states}; {since[0]:.2f}, {since[1]:.2f}; {off:.1e}")
        print(f"  all: {total[0]:.1f} Pg C, of it CH4 {total[1]:.1f}")
    print("percent of all emission per percent of a rate, RCP8.5:")
    for effect, words in elasticities("rcp85")[:8]:
        print(f"  {effect:+.2f}  {words}")
    print(
        f"paper: {paper['total_2300_rcp85']:.0f} +- {paper['total_2300_rcp85_deviation']:.0f} Pg C by 2300 under RCP8.5, "
        f"{100 * paper['hillslope_share']:.0f} % of it from slopes"
    )


if __name__ == "__main__":
    main()

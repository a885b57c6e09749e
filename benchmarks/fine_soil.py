"""Soil heat once more, by other means: layers of 1 cm, steps of an hour, every step solved until its phases settle.

Finite volumes, one tridiagonal system a column (from the top down, unknown temperature), an active set of the segments of the
enthalpy curve that moves one segment at a time until it stays. It shares the equations of docs/model.md (S1-S4, H1-H5) with
the model and no code; so what the two differ by is the error of the model's grid, sub-steps and sweeps. A column-year takes
about 40 ms on one core.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np

LATENT, MONTH = 334.0, 365.25 / 12 * 0.0864  # MJ m-3, Ms
DEPTHS = (0.05, 0.25, 0.5, 1.0)
"""Depths (m) whose temperatures are given, linear between the middles of the cells."""
TILE = 64
"""Columns solved together: their arrays stay in the cache of a core."""
CLOSE = 1e-6
"""A layer changes its segment when its temperature is beyond the end by this (K): rounding alone moves none."""
AT_ONCE, MOST = 5, 60
"""Solves of a step in which all layers move at once; then only the uppermost of a column does, which ends (Murty 1974)."""


def edges(fine: float = 0.01, fine_to: float = 3.0, growth: float = 1.15, bottom: float = 60.5) -> np.ndarray:
    """Faces (m): ``fine`` cells to ``fine_to``, then each ``growth`` times thicker than the one above."""
    faces = list(np.round(np.arange(round(fine_to / fine) + 1) * fine, 9))
    step = fine
    while faces[-1] + growth * step < bottom:
        step *= growth
        faces.append(faces[-1] + step)
    faces[-1] = bottom
    return np.array(faces)


def _overlap(tops, bottoms, a, b):
    return np.clip(np.minimum(bottoms, b) - np.maximum(tops, a), 0, None)


def on_cells(rows: dict, faces: np.ndarray) -> dict:
    """Material layers of columns (column, material) on the cells: (cell, column)."""
    boundary = np.cumsum(rows["layer_thickness"], 1)
    count = boundary.shape[0]
    tops = np.concatenate([np.zeros((count, 1)), boundary], 1)[:, :, None]
    bottoms = np.concatenate([boundary, np.full((count, 1), faces[-1])], 1)[:, :, None]
    middle = (faces[1:] + faces[:-1]) / 2
    upper, lower = (_overlap(tops, bottoms, *ends) for ends in ((faces[:-1], middle), (middle, faces[1:])))
    share = (upper + lower) / np.diff(faces)
    mean = {
        k: (rows[k][:, :, None] * share).sum(1).T
        for k in ("heat_capacity_frozen", "heat_capacity_thawed", "water_content")
    }
    halves = {
        f"{side}_{phase}": (part / rows[f"conductivity_{phase}"][:, :, None]).sum(1).T
        for side, part in (("upper", upper), ("lower", lower))
        for phase in ("frozen", "thawed")
    }
    return {**mean, **halves}


def air_means(before, now, after, steps: int) -> np.ndarray:
    """S1: exact means over the steps of a month, (step, column)."""
    e0, e1 = (before + now) / 2, (now + after) / 2
    q = 6 * (now - (e0 + e1) / 2)
    s = (np.arange(steps + 1) / steps)[:, None]
    return np.diff(e0 * s + (e1 - e0) * s**2 / 2 + q * (s**2 / 2 - s**3 / 3), axis=0) * steps


def weather(rows: dict, temperature, snowfall, snow, steps: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """S2-S4: temperature of the surface and resistance of the snow in every step of a year that begins with ``snow`` (mm),
    (12, step, column), and the snow at its end.
    """
    k = 10 ** (2.650e-3 * rows["snow_density"] - 1.652)
    half, factor_thaw, factor_freeze = (
        rows[name] for name in ("snow_half_cover", "surface_factor_thaw", "surface_factor_freeze")
    )
    surface, over = (np.empty((12, steps, len(snow))) for _ in range(2))
    for m in range(12):
        air = air_means(temperature[:, m - 1], temperature[:, m], temperature[:, (m + 1) % 12], steps)
        for j, a in enumerate(air):
            warm = np.maximum(a, 0)
            melt = rows["snow_melt_factor"] * warm * 365.25 / 12 / steps
            after = np.maximum(snow + snowfall[:, m] / steps - melt, 0)
            w, snow = (snow + after) / 2, after
            surface[m, j] = factor_thaw * warm * half / (w + half) + factor_freeze * np.minimum(a, 0)
            over[m, j] = np.minimum(w, 3000) / rows["snow_density"] / k
    return surface, over, snow


def _tridiagonal(diagonal, coupling, load):
    """T of ``diagonal T_i - coupling_i T_{i-1} - coupling_{i+1} T_{i+1} = load`` (coupling of the first row unused)."""

    def forward(carry, row):
        factor, y = carry
        b, above, below, r = row
        w = 1 / (b - above * factor)
        carry = below * w, (r + above * y) * w
        return carry, carry

    above = coupling.at[0].set(0.0)
    below = jnp.concatenate([coupling[1:], jnp.zeros_like(coupling[:1])])
    zero = jnp.zeros_like(load[0])
    _, (factor, y) = jax.lax.scan(forward, (zero, zero), (diagonal, above, below, load))

    def backward(t, row):
        factor, y = row
        t = y + factor * t
        return t, t

    return jax.lax.scan(backward, zero, (factor, y), reverse=True)[1]


@jax.jit
def _year(p, carry, surface, over, flux, delta, d, weight, dt):
    """A year of one tile; see :func:`simulate`. Carried: heat contents, segments, temperatures; none: the temperatures alone."""
    cf, ct = p["heat_capacity_frozen"], p["heat_capacity_thawed"]
    rate = (d / dt)[:, None]
    melted = LATENT * p["water_content"] + delta * (cf + ct) / 2
    slopes = [s * rate for s in (cf, melted / delta, ct)]  # of D h over T in the three segments
    total = melted * rate
    frozen_offset = slopes[0] * delta

    def lines(segment):
        c = jnp.where(segment == 0, slopes[0], jnp.where(segment == 1, slopes[1], slopes[2]))
        return c, jnp.where(segment == 0, frozen_offset, total)

    def segments(t, now=None):
        low, high = (
            (0.0, 0.0) if now is None else (jnp.where(now > 0, CLOSE, -CLOSE), jnp.where(now > 1, CLOSE, -CLOSE))
        )
        return ((t > -delta - low).astype(jnp.int8) + (t > -high)).astype(jnp.int8)

    def step(carry, forcing):
        content, segment, t, mean, largest, unsettled = carry
        surface, over = forcing
        phi = jnp.clip(content / total, 0, 1)
        up = p["upper_frozen"] + phi * (p["upper_thawed"] - p["upper_frozen"])
        low = p["lower_frozen"] + phi * (p["lower_thawed"] - p["lower_frozen"])
        g = 1 / (up + jnp.concatenate([over[None], low[:-1]]))
        both = g + jnp.concatenate([g[1:], jnp.zeros_like(g[:1])])
        load = content.at[0].add(g[0] * surface).at[-1].add(flux)

        def search(carry):
            _, segment, _, count = carry
            c, o = lines(segment)
            t = _tridiagonal(c + both, g, load - o)
            move = jnp.clip(segments(t, segment) - segment, -1, 1).astype(jnp.int8)
            first = jnp.cumsum(jnp.abs(move), 0, dtype=jnp.int16) <= 1
            move = jnp.where((count < AT_ONCE) | first, move, 0).astype(jnp.int8)
            return t, segment + move, segment, count + 1

        start = search((t, segment, segment, 0))
        t, segment, solved, _ = jax.lax.while_loop(lambda x: jnp.any(x[1] != x[2]) & (x[3] < MOST), search, start)
        c, o = lines(solved)
        content = c * t + o
        largest = jnp.maximum(largest, jnp.clip(content / total, 0, 1))
        return (content, segment, t, mean + t, largest, unsettled + jnp.any(segment != solved)), None

    def month(carry, forcing):
        content, segment, t, largest, unsettled = carry
        (content, segment, t, mean, largest, unsettled), _ = jax.lax.scan(
            step, (content, segment, t, jnp.zeros_like(t), largest, unsettled), forcing
        )
        return (content, segment, t, largest, unsettled), weight @ (mean / forcing[0].shape[0])

    if carry[0] is None:
        segment = segments(carry[2])
        c, o = lines(segment)
        carry = c * carry[2] + o, segment, carry[2]
    (*carry, largest, unsettled), monthly = jax.lax.scan(month, (*carry, jnp.zeros_like(carry[0]), 0), (surface, over))
    return tuple(carry), (monthly, (jnp.cumprod(largest, 0) * d[:, None]).sum(0), unsettled)


def simulate(rows: dict, temperature, snowfall, start, snow, years: int, faces=None, steps: int = 730) -> dict:
    """Years of repeated climate of columns (monthly air temperature and snowfall (column, 12)) from temperatures and snow (mm)
    of the first of January.

    ``start``: function of depths (cell,) that gives temperatures (cell, column). Returns monthly means ``temperature`` (year, 12,
    depth, column) at DEPTHS, ``active`` (year, column) in m, and the share of steps in which phases did not settle in a tile.
    """
    faces = edges() if faces is None else faces
    middle = (faces[1:] + faces[:-1]) / 2
    weight = jnp.asarray([[np.interp(z, middle, row) for row in np.eye(middle.size)] for z in DEPTHS])
    p, first = on_cells(rows, faces), start(middle)
    tiles = [slice(low, low + TILE) for low in range(0, len(temperature), TILE)]
    carried = [(None, None, jnp.asarray(first[:, part])) for part in tiles]
    found: list[list] = [[] for _ in tiles]
    for _ in range(years):
        surface, over, snow = weather(rows, temperature, snowfall, snow, steps)
        for i, part in enumerate(tiles):
            above = [jnp.asarray(x[..., part]) for x in (surface, over)]
            scalars = (jnp.asarray(rows[k][part]) for k in ("geothermal_heat_flux", "freezing_interval"))
            ground = {k: jnp.asarray(x[:, part]) for k, x in p.items()}
            carried[i], out = _year(
                ground, carried[i], *above, *scalars, jnp.asarray(np.diff(faces)), weight, MONTH / steps
            )
            found[i].append(jax.tree.map(np.asarray, out))
    return {
        "temperature": np.concatenate([np.stack([year[0] for year in tile]) for tile in found], -1),
        "active": np.concatenate([np.stack([year[1] for year in tile]) for tile in found], -1),
        "unsettled": np.mean([year[2] for tile in found for year in tile]) / (12 * steps),
    }


def neumann_front(
    days: float, surface: float, start: float, kt: float, kf: float, ct: float, cf: float, theta: float
) -> float:
    """Depth (m) of thaw after ``days`` in Neumann's problem, to check the above against."""
    at, af = kt / ct, kf / cf

    def misfit(x):
        return (
            kt * surface * math.exp(-x * x) / (math.sqrt(math.pi * at) * math.erf(x))
            + kf * start * math.exp(-x * x * at / af) / (math.sqrt(math.pi * af) * math.erfc(x * math.sqrt(at / af)))
            - LATENT * theta * x * math.sqrt(at)
        )

    low, high = 1e-6, 3.0
    for _ in range(200):
        low, high = ((low + high) / 2, high) if misfit((low + high) / 2) > 0 else (low, (low + high) / 2)
    return 2 * low * math.sqrt(at * days * 0.0864)

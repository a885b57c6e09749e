"""Soil heat once more, by other means: layers of 1 cm, steps of an hour, every step solved until its phases settle.

Finite volumes in numpy, one tridiagonal system of all columns (LAPACK), unknown temperature, an active set of the segments of the
enthalpy curve that moves one segment at a time until it stays. It shares the equations of docs/model.md (S1-S4, H1-H5) with
the model and no code; so what the two differ by is the error of the model's grid, sub-steps and sweeps.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg.lapack import dptsv  # pyright: ignore[reportAttributeAccessIssue]

LATENT, MONTH = 334.0, 365.25 / 12 * 0.0864  # MJ m-3, Ms
REPORTED = np.concatenate([np.arange(11) * 0.1, 1 + 0.2 * np.arange(1, 11)])
"""Edges (m) of the layers whose mean temperatures are given."""


def edges(fine: float = 0.01, fine_to: float = 3.0, growth: float = 1.06, bottom: float = 60.5) -> np.ndarray:
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
    """Material layers of columns (column, material) on the cells (column, cell)."""
    boundary = np.cumsum(rows["layer_thickness"], 1)
    count = boundary.shape[0]
    tops = np.concatenate([np.zeros((count, 1)), boundary], 1)[:, :, None]
    bottoms = np.concatenate([boundary, np.full((count, 1), faces[-1])], 1)[:, :, None]
    middle = (faces[1:] + faces[:-1]) / 2
    upper, lower = (_overlap(tops, bottoms, *ends) for ends in ((faces[:-1], middle), (middle, faces[1:])))
    share = (upper + lower) / np.diff(faces)
    mean = {
        k: (rows[k][:, :, None] * share).sum(1)
        for k in ("heat_capacity_frozen", "heat_capacity_thawed", "water_content")
    }
    halves = {
        f"{side}_{phase}": (part / rows[f"conductivity_{phase}"][:, :, None]).sum(1)
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


def simulate(rows: dict, temperature, snowfall, start, years: int, faces=None, steps: int = 730) -> dict:
    """Years of repeated climate of columns (monthly air temperature and snowfall (column, 12)) from T0 + q z / 1.8.

    Returns monthly means ``temperature`` (year, 12, layer, column) of the layers REPORTED, ``active`` (year, column) in m, and
    the share of steps whose phases did not settle.
    """
    faces = edges() if faces is None else faces
    d, count = np.diff(faces), len(start)
    p = on_cells(rows, faces)
    delta = rows["freezing_interval"][:, None]
    cf, ct = p["heat_capacity_frozen"], p["heat_capacity_thawed"]
    melted = LATENT * p["water_content"] + delta * (cf + ct) / 2
    dt = MONTH / steps
    rate = d / dt
    slopes = np.stack([cf, melted / delta, ct]) * rate  # of D h over T in the three segments
    offsets = np.stack([cf * delta, melted + 0 * cf, melted]) * rate  # D h = slope T + offset
    middle = (faces[1:] + faces[:-1]) / 2
    t = start[:, None] + rows["geothermal_heat_flux"][:, None] * middle / 1.8
    segment = np.where(t < -delta, 0, np.where(t < 0, 1, 2))

    def lines(segment):
        c = np.where(segment == 0, slopes[0], np.where(segment == 1, slopes[1], slopes[2]))
        return c, np.where(segment == 0, offsets[0], offsets[1])

    c, o = lines(segment)
    content = c * t + o
    into = np.searchsorted(REPORTED, middle) - 1
    weight = np.zeros((len(REPORTED) - 1, d.size))
    used = middle < REPORTED[-1]
    weight[into[used], np.flatnonzero(used)] = d[used]
    weight /= weight.sum(1, keepdims=True)
    snow, unsettled = np.zeros(count), 0
    factor = {
        k: rows[k] for k in ("snow_melt_factor", "snow_half_cover", "surface_factor_thaw", "surface_factor_freeze")
    }
    monthly, active = [], []
    conductivity = 10 ** (2.650e-3 * rows["snow_density"] - 1.652)
    total = rate * melted
    for _ in range(years):
        largest = np.zeros_like(t)
        for m in range(12):
            air = air_means(temperature[:, m - 1], temperature[:, m], temperature[:, (m + 1) % 12], steps)
            mean = np.zeros_like(t)
            for a in air:
                warm = np.maximum(a, 0)
                new = np.maximum(
                    snow + snowfall[:, m] / steps - factor["snow_melt_factor"] * warm * 365.25 / 12 / steps, 0
                )
                w, snow = (snow + new) / 2, new
                bare = factor["snow_half_cover"] / (w + factor["snow_half_cover"])
                surface = factor["surface_factor_thaw"] * warm * bare + factor["surface_factor_freeze"] * np.minimum(
                    a, 0
                )
                over = w / rows["snow_density"] / conductivity
                phi = np.clip(content / total, 0, 1)
                up = p["upper_frozen"] + phi * (p["upper_thawed"] - p["upper_frozen"])
                low = p["lower_frozen"] + phi * (p["lower_thawed"] - p["lower_frozen"])
                g = np.empty_like(t)
                g[:, 0] = 1 / (over + up[:, 0])
                g[:, 1:] = 1 / (low[:, :-1] + up[:, 1:])
                below = np.zeros_like(g)
                below[:, :-1] = g[:, 1:]
                off = -below
                load = content.copy()
                load[:, 0] += g[:, 0] * surface
                load[:, -1] += rows["geothermal_heat_flux"]
                for _ in range(12):
                    c, o = lines(segment)
                    _, _, solved, info = dptsv((c + g + below).ravel(), off.ravel()[:-1], (load - o).ravel())
                    if info:
                        raise ArithmeticError(f"tridiagonal system not positive definite ({info})")
                    t = solved.reshape(t.shape)
                    want = np.where(t < -delta, 0, np.where(t < 0, 1, 2))
                    moved = segment + np.clip(want - segment, -1, 1)
                    if np.array_equal(moved, segment):
                        break
                    segment = moved
                else:
                    unsettled += 1
                    c, o = lines(segment)
                    t = dptsv((c + g + below).ravel(), off.ravel()[:-1], (load - o).ravel())[2].reshape(t.shape)
                content = c * t + o
                mean += t
                largest = np.maximum(largest, np.clip(content / total, 0, 1))
            monthly.append(weight @ (mean / steps).T)
        active.append((np.cumprod(largest, 1) * d).sum(1))
    temperature_out = np.array(monthly).reshape(years, 12, len(REPORTED) - 1, count)
    return {"temperature": temperature_out, "active": np.array(active), "unsettled": unsettled / (years * 12 * steps)}


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

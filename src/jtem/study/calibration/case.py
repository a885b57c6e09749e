"""A calibration with its names: what a search, its results and its figures need beside numbers."""

from __future__ import annotations

from dataclasses import dataclass

from jtem import parameters
from jtem.study.calibration import sampling
from jtem.study.calibration.model import Misfit
from jtem.study.calibration.problem import Problem


@dataclass(frozen=True)
class SearchSettings:
    """How to search: see [search] of a calibration plan."""

    method: str = "levenberg_marquardt"
    starts: int = 1
    spread: float = 0.5
    seed: int = 1
    iterations: int = 40
    decrease: float = 1e-4
    rate: float = 0.05


@dataclass(frozen=True)
class Case:
    """A problem with the names that its numbers lost.

    ``text``: of its plan; ``where``: what errors call it. ``first_year``: of history. ``units``: of each channel. ``inputs``:
    where observations and climate are from. ``notes``: sentences of the readers.
    """

    name: str
    title: str
    text: str
    where: str
    problem: Problem
    model: Misfit
    table: parameters.ParameterTable
    first_year: int
    units: tuple[str, ...]
    inputs: tuple[str, ...]
    notes: tuple[str, ...]
    search: SearchSettings
    posterior: sampling.Sampling | None

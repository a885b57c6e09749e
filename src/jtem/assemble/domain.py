"""Section [domain] of a plan to cells and their climate; for runs, calibrations and sensitivities."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jtem.assemble import store
from jtem.constants import WATTS_TO_TEM_RADIATION
from jtem.errors import InputError
from jtem.files import Inputs
from jtem.physics import radiation
from jtem.readers import deposition, to_model
from jtem.readers.catalogue import SOURCES, Domain

if TYPE_CHECKING:
    from jtem.plan.run import DomainSection, Plan
    from jtem.state import Climate

Loader = Callable[[np.ndarray], "Climate"]


def domain_of(plan: Plan, inputs: Inputs) -> Domain:
    """The domain of a run: a store, or what its source opens; raises ``InputError``."""
    if not SOURCES[plan.domain.source].module:
        return store.domain(plan, inputs)
    return domain(plan.domain, list(plan.climate_years), inputs, plan.where)


def domain(section: DomainSection, climates: Sequence[str], inputs: Inputs, where: str) -> Domain:
    """What the section's source opens; ``climates``: names that the plan uses. Raises ``InputError``."""
    source = SOURCES[section.source]
    where = f"{where}: [domain]"
    if not source.module:
        raise InputError(
            f"{where}: a store of source '{section.source}' serves runs only; name the source it was made from"
        )

    def find(name: str, *, folder: bool = False, here: bool = False) -> Path:
        return inputs.here_or(name, where) if here else inputs.find(name, where, folder=folder)

    given: dict[str, object] = {key: getattr(section, key) for key in source.takes}
    if source.sun:
        given["sun"] = lambda latitude: radiation.top_of_atmosphere(latitude) / WATTS_TO_TEM_RADIATION
    module = importlib.import_module(f"jtem.readers.{source.module}")
    return module.open_domain(find, climates, **given)


def loader(
    place: Domain, count: int, chunk: int, climate: str, years: tuple[int, int], asked: str, *, wrap: bool = False,
    goes_on: bool = False,
) -> Loader:  # fmt: skip
    """Loader of a climate's years for the ``count`` cells of a domain, checked chunk by chunk before anything runs; what is to
    be noted of them is said once.

    ``asked``: the keys of the plan that say the years, named in errors. ``wrap``: the years repeat. ``goes_on``: the climate has
    a year after them, whose January follows. Raises ``InputError``.
    """
    source, where = place.source(climate)
    heard = to_model.Heard(where, place.documented)
    load = to_model.climate_loader(source, *years, wrap=wrap, where=where, goes_on=goes_on)
    check = to_model.climate_loader(source, *years, wrap=wrap, where=where, goes_on=goes_on, heard=heard)
    try:
        for start in range(0, 1 if place.stored else count, chunk):
            check(np.arange(start, min(start + chunk, count)))
    except InputError as error:
        more = " and goes_on" if goes_on else ""
        raise InputError(f"{asked} {years[0]}-{years[1]}{more}: {error}") from None
    if not place.stored:  # of a store it was said when it was prepared
        heard.say()
    return load


def loaders(place: Domain, count: int, chunk: int, nitrogen: Path | None = None) -> Callable[..., Loader]:
    """:func:`loader` of one domain, one object for the same climate and years.

    ``nitrogen``: table of deposition that is added to what the climate has.
    """

    def made(climate: str, years: tuple[int, int], asked: str, *, wrap: bool = False, goes_on: bool = False) -> Loader:
        load = loader(place, count, chunk, climate, years, asked, wrap=wrap, goes_on=goes_on)
        return load if nitrogen is None else _with_deposition(load, deposition.monthly(nitrogen, climate, *years))

    return functools.cache(made)


def _with_deposition(load: Loader, monthly: np.ndarray) -> Loader:
    """The loader with nitrogen (year, 12) added in every cell."""

    def loaded(cells: np.ndarray) -> Climate:
        climate = load(cells)
        return dataclasses.replace(climate, nitrogen_input=np.asarray(climate.nitrogen_input) + monthly[None])

    return loaded

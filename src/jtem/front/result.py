"""What a run gives: labelled datasets, states to go on from, and files that are those of the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from jtem.errors import InputError, suggest

BUDGETS = ("carbon_residual", "nitrogen_residual", "water_residual")
"""Largest monthly difference of a year between what came, went and stayed."""


@dataclass(frozen=True)
class Result:
    """Results of one run. Stages follow one another (``historical``, then scenarios).

    ``stages``: datasets by stage and frequency, as in the files of the command line (CF names and units) but with dates that
    plot. ``states``: states by stage, ``spinup`` included, from which :meth:`jtem.Model.run` goes on. ``failed``: columns that
    failed and why. ``spin_up``: whether each column came to its equilibrium. ``seconds``, ``compile_seconds``: what it took.

    A site has no ``cell`` dimension; a region has one. An ensemble has a leading ``member``.
    """

    stages: Mapping[str, Mapping[str, xr.Dataset]]
    states: Mapping[str, xr.Dataset]
    failed: Mapping[int, str] = field(default_factory=dict)
    spin_up: xr.Dataset | None = None
    seconds: float = 0.0
    compile_seconds: float = 0.0
    name: str = "run"
    files: Callable[[Path, bool], list[Path]] | None = field(default=None, repr=False)
    """Writes the files of the run itself: (folder, force) to their paths."""

    def __getitem__(self, stage: str) -> Result:
        """The results of one stage; raises ``InputError`` for an unknown one."""
        if stage not in self.stages:
            raise InputError(f"no stage {stage!r} in the result; {suggest(stage, self.stages)}")
        kept = {name: state for name, state in self.states.items() if name == stage}
        return dataclasses.replace(self, stages={stage: self.stages[stage]}, states=kept, files=None)

    def __iter__(self) -> Iterator[str]:
        """Names of the stages."""
        return iter(self.stages)

    @property
    def annual(self) -> xr.Dataset:
        """Yearly values: one stage; history joined by its scenario; or by each of them, along ``scenario``."""
        return self._joined("annual")

    @property
    def monthly(self) -> xr.Dataset:
        """Monthly values, joined as :attr:`annual`."""
        return self._joined("monthly")

    @property
    def state(self) -> xr.Dataset:
        """State at the end of the last stage."""
        if not self.states:
            raise InputError("the result holds no state; run with states, or load a folder that has them")
        return list(self.states.values())[-1]

    @property
    def budget(self) -> xr.Dataset:
        """Largest monthly residual of the carbon, nitrogen and water budgets in each year (kg m-2): zero to rounding."""
        annual = self.annual
        lost = [name for name in BUDGETS if name not in annual]
        if lost:
            raise InputError(f"the result has no '{lost[0]}'; add it to the yearly variables of the run")
        return annual[list(BUDGETS)]

    @property
    def attrs(self) -> dict[str, object]:
        """Where it comes from: inputs, parameters, spin-up, versions."""
        first = next(iter(self.stages.values()))
        return dict(next(iter(first.values())).attrs) if first else {}

    def _joined(self, frequency: str) -> xr.Dataset:
        found = {name: parts[frequency] for name, parts in self.stages.items() if frequency in parts}
        if not found:
            other = "annual" if frequency == "monthly" else "monthly"
            raise InputError(
                f"the run kept no {frequency} variables (only {other} ones); name them with {frequency}=[...]"
            )
        if len(found) == 1:
            return next(iter(found.values()))
        first, *later = found.items()
        children = [(name, data) for name, data in later if data.attrs.get("stage_parent") == first[0]]
        if len(children) != len(later):
            raise InputError("stages do not all follow the first one; take one of them: result['" + later[0][0] + "']")
        series = [_after(first[1], data) for _, data in children]
        if len(series) == 1:
            return series[0]
        return xr.concat(
            series, xr.Variable("scenario", [name for name, _ in children]), combine_attrs="drop_conflicts"
        )

    def to_netcdf(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write the files that the command line writes: one a stage and frequency, and the states. Returns their paths.

        :func:`jtem.load` reads the folder; ``jtem report`` and ``jtem export`` understand it. Raises ``InputError`` where files
        exist already, unless ``force``.
        """
        if self.files is None:
            raise InputError("this result was read from files or is a part of another; write the whole result of a run")
        return self.files(Path(folder), force)

    def __repr__(self) -> str:
        """What there is, in three lines."""
        lines = [f"<jtem result '{self.name}'"]
        for name, parts in self.stages.items():
            data = next(iter(parts.values()), None)
            years = "" if data is None else f" {int(data['year'].values.min())}-{int(data['year'].values.max())}"
            lines.append(
                f"  {name}{years}: " + ", ".join(f"{f} ({len(d.data_vars)} variables)" for f, d in parts.items())
            )
        failed = f"; {len(self.failed)} columns failed" if self.failed else ""
        return "\n".join(lines) + f"\n  states: {', '.join(self.states) or 'none'}{failed}>"


def _after(before: xr.Dataset, later: xr.Dataset) -> xr.Dataset:
    """Two stages as one series in time; what has no time is that of the second."""
    along = [name for name in later.data_vars if "time" in later[name].dims and name in before]
    still = later[[name for name in later.data_vars if "time" not in later[name].dims]]
    series = xr.concat([before[along], later[along]], "time", combine_attrs="drop_conflicts")
    return series.merge(still, compat="no_conflicts")


def plain(data: xr.Dataset, *, is_site: bool) -> xr.Dataset:
    """A dataset of a file as users see it: dates that plot, a site without its one cell."""
    data = data.drop_vars([name for name in ("time_bnds",) if name in data.variables])
    index = data.indexes["time"]
    if hasattr(index, "to_datetimeindex"):
        calendar = [f"{t.year:04d}-{t.month:02d}-{t.day:02d}T{t.hour:02d}:{t.minute:02d}" for t in index]
        attributes = {k: v for k, v in data["time"].attrs.items() if k != "bounds"}
        dates = np.array(calendar, dtype="datetime64[ns]")
        data = data.assign_coords(time=("time", dates, attributes))
    coordinates = [name for name in ("lat", "lon", "year", "areacella", "site", "community", "status") if name in data]
    data = data.set_coords(coordinates)
    return data.isel(cell=0) if is_site and data.sizes.get("cell") == 1 else data


def state_dataset(arrays: Mapping[str, np.ndarray], attributes: Mapping[str, object]) -> xr.Dataset:
    """A state as a dataset: every leaf by its name, along ``column`` and layers; house units."""
    fields = {}
    for name, values in arrays.items():
        dims = ["column", *(f"layer_{length}" for length in values.shape[1:])]
        fields[name] = (dims, np.array(values))
    return xr.Dataset(fields, attrs={"title": "state of jtem for a restart, house units", **attributes})


def read_state(path: Path | str) -> xr.Dataset:
    """A state file as a dataset; raises ``InputError``."""
    try:
        with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False, decode_times=False) as opened:
            return opened.load()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: state file cannot be read ({str(error).splitlines()[0]}); check the path") from None


def load(folder: str | Path) -> Result:
    """Results in a folder that :meth:`Result.to_netcdf` or ``jtem run`` wrote. Raises ``InputError`` where there are none."""
    if not isinstance(folder, str | Path):
        raise InputError(f"a folder of results is a {type(folder).__name__}; give its path")
    folder = Path(folder)
    if folder.is_file():
        raise InputError(f"{folder}: is a file; give the folder of a run")
    if not folder.is_dir():
        raise InputError(f"{folder}: folder not found; give the folder of a run")
    stages: dict[str, dict[str, xr.Dataset]] = {}
    parents: dict[str, str] = {}
    name = folder.name
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    for path in sorted(folder.glob("*_annual.nc")) + sorted(folder.glob("*_monthly.nc")):
        with xr.open_dataset(path, engine="netcdf4", decode_times=coder) as opened:
            data = opened.load()
        stage, frequency = str(data.attrs.get("stage", "")), str(data.attrs.get("frequency", ""))
        if not stage or frequency not in ("annual", "monthly"):
            continue
        name = path.name.removesuffix(f"_{stage}_{frequency}.nc")
        parents[stage] = str(data.attrs.get("stage_parent", ""))
        single = data.sizes["cell"] == 1
        stages.setdefault(stage, {})[frequency] = plain(data, is_site=single)
    if not stages:
        raise InputError(f"{folder}: holds no results of jtem; give the folder of a run")
    ordered = sorted(stages, key=lambda s: (parents[s] != "spinup", int(_first_year(stages[s])), s))
    states = {}
    for stage in ("spinup", *ordered):
        path = folder / f"{name}_{stage}_state.nc"
        if path.is_file():
            states[stage] = read_state(path)
    return Result({stage: stages[stage] for stage in ordered}, states, name=name)


def _first_year(parts: Mapping[str, xr.Dataset]) -> int:
    return int(next(iter(parts.values()))["year"].values.min())

"""How a chunk of columns lies on devices: what decides the shape of the programs, and with it the last bits."""

from __future__ import annotations

from jtem.run import batch, course
from jtem.run.course import Experiment


def columns_a_device(experiment: Experiment, devices: int) -> int:
    """Columns of a chunk on each of so many devices, the padding of the last one included."""
    return -(-min(experiment.chunk_columns, len(experiment.column_cell)) // devices)


def described(experiment: Experiment, devices: int) -> str:
    """What decides the last bits of numbers beside the experiment and the kind of device: the shape of its programs.

    They are bitwise the same on any number of CPU devices that has the same layout: those whose columns come in tiles of one
    size, or all at once in one number (of 256 columns one device makes two tiles, two devices none; that moves pools by 1e-14).
    One device is never like several: XLA optimises a program that is split over devices in other steps, whatever their number,
    and puts other operations together (last bits of 1 in 75 columns).
    """
    each = columns_a_device(experiment, devices)
    tile, runs = batch.tile(each), runs_together(experiment, each)
    parts = "one device" if devices == 1 else "several devices"
    return f"{'tiles of ' if tile < each else ''}{tile} columns, {runs} runs, {parts}"


def runs_together(experiment: Experiment, columns: int) -> int:
    """How many runs of carbon go through one program, on ``columns`` columns a device: as many as fill a tile.

    One number for all families, so that history and scenarios have the same program; a family with fewer stages fills up.
    """
    return min(max(map(len, course.families(experiment.stages))), max(1, batch.TILE // columns))

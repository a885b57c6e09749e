"""The coastline that maps are drawn with, from Natural Earth (public domain), simplified.

    python benchmarks/coastline.py LAND.json

``LAND.json``: the land polygons of Natural Earth at 1:50 million as TopoJSON, object "land". Writes
``data/coastline/coastline.csv``: points of lines in degrees, simplified to 0.1 degree north of 20 N and 0.3 degree
elsewhere, lines shorter than a degree left out, cuts at the date line left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

FINE, COARSE, SHORTEST = 0.1, 0.3, 1.0
HEADER = """# Coastlines and shores of inland seas (degrees), one line a block. Natural Earth, 1:50 million, public domain;
# simplified by benchmarks/coastline.py.
longitude,latitude
"""
TARGET = Path(__file__).resolve().parents[1] / "data" / "coastline" / "coastline.csv"


def arcs(topology: dict) -> list[np.ndarray]:
    """Lines between nodes of the topology, each (point, 2): longitude and latitude in degrees."""
    scale, move = (np.asarray(topology["transform"][key]) for key in ("scale", "translate"))
    return [np.cumsum(np.asarray(arc), axis=0) * scale + move for arc in topology["arcs"]]


def rings(topology: dict) -> Iterator[np.ndarray]:
    """Closed lines around land, holes (inland seas) among them."""
    known = arcs(topology)
    for shape in topology["objects"]["land"]["geometries"]:
        polygons = shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]
        for polygon in polygons:
            for ring in polygon:
                yield np.concatenate([known[k] if k >= 0 else known[~k][::-1] for k in ring])


def pieces(ring: np.ndarray) -> Iterator[np.ndarray]:
    """The ring without the segments that lie on the date line or at the South Pole, or that jump around the globe."""
    edge = (np.abs(ring[:, 0]) > 179.99) | (ring[:, 1] < -89.9)
    cut = np.flatnonzero((edge[1:] & edge[:-1]) | (np.abs(np.diff(ring[:, 0])) > 180.0)) + 1
    yield from (piece for piece in np.split(ring, cut) if len(piece) > 1)


def simplified(line: np.ndarray, tolerance: float) -> np.ndarray:
    """Douglas and Peucker: leave out points nearer than ``tolerance`` degrees (of latitude) to the line without them."""
    keep = np.zeros(len(line), bool)
    keep[[0, -1]] = True
    plane = line * [np.cos(np.deg2rad(line[:, 1].mean())), 1.0]
    todo = [(0, len(line) - 1)]
    while todo:
        a, b = todo.pop()
        if b - a < 2:
            continue
        chord, inner = plane[b] - plane[a], plane[a + 1 : b] - plane[a]
        length = np.hypot(*chord)
        if length < 1e-9:
            off = np.hypot(*inner.T)
        else:
            off = np.abs(inner[:, 0] * chord[1] - inner[:, 1] * chord[0]) / length
        k = int(np.argmax(off))
        if off[k] > tolerance:
            keep[a + 1 + k] = True
            todo += [(a, a + 1 + k), (a + 1 + k, b)]
    return line[keep]


def main() -> None:
    """Read, simplify, write."""
    topology = json.loads(Path(sys.argv[1]).read_text())
    lines = []
    for ring in rings(topology):
        for piece in pieces(ring):
            northern = piece[:, 1].max() > 20.0
            if np.hypot(*np.ptp(piece, axis=0)) > SHORTEST * (1.0 if northern else 2.0):
                lines.append(simplified(piece, FINE if northern else COARSE))
    lines.sort(key=lambda line: -len(line))
    with TARGET.open("w", encoding="utf-8") as file:
        file.write(
            "# Coastlines and shores of inland seas (degrees), one line a block. Natural Earth, 1:50 million, public domain;\n"
        )
        file.write("# simplified by benchmarks/coastline.py.\nlongitude,latitude\n")
        for line in lines:
            file.writelines(f"{x:.2f},{y:.2f}\n" for x, y in line)
            file.write("\n")
    print(f"{len(lines)} lines, {sum(map(len, lines))} points, {TARGET.stat().st_size / 1000:.0f} kB in {TARGET}")


if __name__ == "__main__":
    main()

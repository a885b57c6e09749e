# ruff: noqa: E402 - what is fuzzed is imported under atheris
"""Coverage-guided fuzzing of plans, tables, control files and netCDF files with atheris (extra ``fuzz``).

    python tests/coverage_fuzz.py [FOLDER] [SECONDS] [READER ...]

Every input is a byte that picks a reader and its content. It is read or refused by ``InputError``; whatever else is raised is a
crash. Inputs that reach new branches of jtem are kept in FOLDER/corpus and changed further, crashes are written to
FOLDER/crashes.txt, one a kind. Texts are bytes as they are; netCDF files are good ones with attributes, names, types and values
changed as the bytes say. Prints what was tried; exit code 1 for a crash.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent / "readers"))

atheris: Any = importlib.import_module("atheris")
with atheris.instrument_imports(include=["jtem"], enable_loader_override=False):
    import fuzz  # plans and parameters
    from jtem.errors import InputError
    from jtem.readers import (
        ameriflux,
        cf_monthly,
        deposition,
        fluxnet,
        ground,
        inspect,
        observed_netcdf,
        pools,
        regrid,
        soil_carbon,
        soil_profiles,
        soil_texture,
        static_fields,
        surface,
        vegetation,
    )
    from jtem.study.calibration import pest

import layout_files as layouts
import numpy as np
import test_broken_files as broken_files
import test_fluxnet

TARGETS = regrid.Targets(broken_files.LAT2.ravel(), broken_files.LON2.ravel(), 0.5)
PEST = """pcf
* control data
restart estimation
1 1 1 0 1
1 1 double point 1 0 0
10 2 0.3 0.03 10
10 10 0.001
0.1
30 0.005 4 4 0.005 4
1 1 1
* parameter groups
soil relative 0.01 0 switch 2 parabolic
* parameter data
kdc log factor 0.01 0.001 0.1 soil 1 0 1
* observation groups
alt
* observation data
alt_2010 0.45 30.0 alt
* model command line
run
* model input/output
a.tpl a.toml
a.ins a.txt
"""
BASE = "# Site: US-Xyz\n# Version: 1-5\nTIMESTAMP_START,TIMESTAMP_END,TA,P,SW_IN,FC\n" + "".join(
    f"2010010{d}{h:02d}{m},2010010{d + (h == 23 and m == '30')}{(h + (m == '30')) % 24:02d}{'00' if m == '30' else '30'},"
    "-5.1,0,0,-0.3\n" for d in (1, 2) for h in range(24) for m in ("00", "30")
)  # fmt: skip
CALM = "Site code,Site name,Lat,Lon,1990,1991,1992\nU1,Barrow,71.3,-156.6,31,-,36*\nU2,Atqasuk,70.5,-157.4,-,46,>50\n"
TABLES: dict[str, tuple[str, str, Callable[[Path], object]]] = {  # name of the file, a good text, reader
    "boreholes": ("a.csv", "date,0.5m,1m\n" + "".join(f"2008-07-{d:02d},{d},{d / 2}\n" for d in range(1, 32)), ground.boreholes),
    "active_layer": ("a.csv", CALM, ground.active_layer),
    "pedons": ("a.csv", "lat,lon,soc_0_30,soc_0_100,soc_100_200,soc_200_300\n68.1,20.2,10,30,NA,NA\n", soil_carbon.read_pedons),
    "profiles": ("a.csv", "site,top_cm,bottom_cm,carbon_kg_m2\nA,0,30,9\nA,30,100,14\n", soil_profiles.soil_profiles),
    "iscn": ("a.csv", "profile_name,lat (dec. deg),long (dec. deg),layer_top (cm),layer_bot (cm),soc (g cm-2)\nA,6,2,0,30,0.9\n",
             soil_profiles.iscn),
    "layers": ("a.csv", "HWSD2_SMU_ID,SHARE,TOPDEP,BOTDEP,SAND,SILT,CLAY\n1,100,0,20,40,40,20\n", soil_texture.read_hwsd2_layers),
    "deposition": ("a.csv", "year,deposition (gN m-2 a-1)\n1990,0.1\n1991,0.2\n",
                   lambda path: deposition.monthly(path, "historical", 1990, 1991)),
    "targets": ("a.csv", "community,variable,pft,value,unit,basis\nA,vegetation_C,ALL,9000,g C m-2,field\n",
                pools.calibration_targets),
    "fluxnet": (test_fluxnet.NAME, "\n".join([test_fluxnet.FULL, *test_fluxnet.two_years()]) + "\n",
                lambda path: fluxnet.read(path, latitude=65.1, longitude=-147.5)),
    "ameriflux": ("AMF_US-Xyz_BASE_HH_1-5.csv", BASE, ameriflux.files_of),
    "pest": ("a.pst", PEST, pest.read_control),
}  # fmt: skip
NETCDF: dict[str, Callable[[Path], object]] = {
    "climate": lambda path: cf_monthly.read_climate([path], layouts.FIRST, layouts.LAST),
    "static": static_fields.read_cells,
    "inspect": inspect.describe,
    "observed": observed_netcdf.read,
    "elevation": lambda path: surface.elevation(path, TARGETS),
    "land": lambda path: surface.land_fraction(path, TARGETS, "sand"),
    "vegetation": lambda path: vegetation.community_shares(path, TARGETS),
    "texture": lambda path: soil_texture.read(path, TARGETS),
}


def write_netcdf(data: bytes, path: Path) -> None:
    """A good file of climate and fixed fields, changed as the bytes say."""
    given = atheris.FuzzedDataProvider(data)
    content = {
        name: [d, v, dict(a)] for name, (d, v, a) in (layouts.time() | layouts.axes() | layouts.climate()).items()
    }
    for name, value, unit in (("elevation", 300.0, "m"), ("sand", 40.0, "%"), ("silt", 40.0, "%"), ("clay", 20.0, "%")):
        content[name] = [layouts.GRID, np.full((3, 4), value), {"units": unit}]
    content["vegetation"] = [layouts.GRID, np.full((3, 4), 4, "i4"), {}]
    for _ in range(given.ConsumeIntInRange(1, 6)):
        name = given.PickValueInList(sorted(content))
        dims, values, said = content[name]
        how = given.ConsumeIntInRange(0, 8)
        if how <= 2:
            said[given.PickValueInList(list(broken_files.ATTRIBUTES))] = (
                given.ConsumeUnicodeNoSurrogates(24).replace("\0", " ")
                if how
                else given.PickValueInList(list(broken_files.VALUES))
            )
        elif how == 3 and said:
            said.pop(given.PickValueInList(sorted(said)))
        elif how == 4:
            content[given.ConsumeUnicodeNoSurrogates(6).replace("/", "_").replace("\0", "_").strip() or "x"] = (
                content.pop(name)
            )
        elif how == 5 and np.size(values) and np.asarray(values).dtype.kind == "f":
            values = np.array(values)
            values.ravel()[given.ConsumeIntInRange(0, values.size - 1)] = given.ConsumeFloat()
            content[name] = [dims, values, said]
        elif how == 6:
            kind = given.PickValueInList(["f4", "i2", "u1", "i8", "S1"])
            with np.errstate(all="ignore"):
                content[name] = [dims, np.asarray(values).astype(kind), said]
        elif how == 7 and np.ndim(values):
            content[name] = [dims[::-1], np.transpose(values), said]
        elif how == 8:
            content[name] = [("one", *dims), np.asarray(values)[None], said]
    layouts.write(path, {name: tuple(parts) for name, parts in content.items()})


def readers() -> list[tuple[str, bytes, Callable[[bytes, Path], object]]]:
    """Name, a good content and reader of bytes in a folder."""
    result: list[tuple[str, bytes, Callable[[bytes, Path], object]]] = []
    for name, (texts, read) in fuzz.seeds().items():
        result += [
            (name, text.encode(), lambda data, folder, read=read: read(data.decode("utf-8", "replace"), folder))
            for text in texts
        ]
    for name, (file, text, read) in TABLES.items():

        def of_table(data: bytes, folder: Path, file: str = file, read: Callable[[Path], object] = read) -> object:
            (folder / file).write_bytes(data)
            return read(folder / file)

        result.append((name, text.encode(), of_table))
    for name, read in NETCDF.items():

        def of_netcdf(data: bytes, folder: Path, read: Callable[[Path], object] = read) -> object:
            path = folder / "a.nc"
            path.unlink(missing_ok=True)
            try:
                write_netcdf(data, path)
            except (
                ValueError,
                RuntimeError,
                AttributeError,
                TypeError,
                OverflowError,
                UnicodeError,
                KeyError,
                OSError,
            ):
                return None  # netCDF itself does not take such a file
            return read(path)

        result.append((name, bytes(64), of_netcdf))
    return result


def main(folder: Path, seconds: int, only: list[str]) -> int:
    """Fuzz so many seconds, all readers or ``only`` some by name."""
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    every, crashes, begin = [one for one in readers() if not only or one[0] in only], {}, time.monotonic()
    tried, refused = dict.fromkeys((name for name, *_ in every), 0), dict.fromkeys((name for name, *_ in every), 0)
    for k, (_, content, _) in enumerate(every):
        (corpus / f"good{k:03d}").write_bytes(bytes([k]) + content)
    words = folder / "words.txt"
    quoted = (
        piece.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        for piece in fuzz.PIECES
        if piece.isascii() and piece
    )
    words.write_bytes(
        b"\n".join(
            b'"' + b"".join(b"\\x%02x" % c if not 32 <= c < 127 else bytes([c]) for c in q) + b'"' for q in quoted
        )
    )
    place = tempfile.mkdtemp()

    def one(data: bytes) -> None:
        if not data:
            return
        name, _, read = every[data[0] % len(every)]
        tried[name] += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(data[1:], Path(place))
        except InputError as error:
            refused[name] += 1
            if "\n" in str(error):
                crashes.setdefault((name, "lines"), f"{name}: a sentence of several lines: {error!r} of {data!r}")
        except Exception as error:  # a crash is what is looked for
            at = error.__traceback__
            while at is not None and at.tb_next is not None:
                at = at.tb_next
            line = f"{Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""
            if (name, line) not in crashes:
                crashes[name, line] = f"{name}: {error!r} at {line} of {data!r}"
                (folder / "crashes.txt").write_text("\n".join(crashes.values()) + "\n")
        total = sum(tried.values())
        if total % 100 == 0:
            lines = [f"{name}: {tried[name]} tried, {refused[name]} refused" for name in tried]
            lines += [f"{total} tried in {time.monotonic() - begin:.0f} s, {len(crashes)} kinds of crash"]
            (folder / "tried.txt").write_text("\n".join(lines) + "\n")

    atheris.Setup(
        [sys.argv[0], str(corpus), f"-max_total_time={seconds}", f"-dict={words}", "-max_len=20000", "-rss_limit_mb=0",
         "-timeout=60", "-print_final_stats=1"],
        one,
    )  # fmt: skip
    atheris.Fuzz()
    return len(crashes)


if __name__ == "__main__":
    where = Path(sys.argv[1] if len(sys.argv) > 1 else "fuzz").absolute()
    sys.exit(1 if main(where, int(sys.argv[2]) if len(sys.argv) > 2 else 3600, sys.argv[3:]) else 0)

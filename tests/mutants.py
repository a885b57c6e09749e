"""Does a test notice a changed line? Mutants of the physics by cosmic-ray, a random sample, each against the tests of its module.

    pip install cosmic-ray
    python tests/mutants.py [--count 300] [--seed 0] [MODULE ...]        e.g. physics/water numerics
    python tests/mutants.py --again FILE                                 only those that survived in what an earlier call wrote

Every mutant is one operator, comparison, number or word changed in a copy of the sources. Left out is what no test can miss: bit
operations, remainders and whole-number divisions of arrays. A mutant is killed by a failing test or by taking four times as long
as the tests do. Survivors are printed, with the share that was killed; exit code 1 where that is less than 90 %. Mutants that
change no result whatever the inputs (:data:`EQUIVALENT`, with the reason) are drawn as others are, named, and counted apart.

Tests run in forks of one process that has imported JAX, for its import would cost more than they do; small programs are kept in a
cache of their own.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cosmic_ray.work_item import MutationSpec

ROOT = Path(__file__).resolve().parents[1]
DECLARED = "physics/test_declared.py"
HEAT = "physics/test_soil_heat.py"
GROUND = [
    *(
        f"{HEAT}::test_{name}"
        for name in (
            "default_layers", "freezing_curve_and_its_inverse", "air_temperature_keeps_the_mean_and_is_continuous",
            "thermal_snow_and_surface", "fronts_by_hand", "active_layer_and_thawed_thickness", "rows_stack",
            "temperature_at_a_face_carries_one_flux_through_both_halves", "properties_integrate_the_material_layers",
            "edges_that_are_no_layers_are_refused", "substeps_that_are_none_or_too_many_are_refused",
            "the_deep_profile_is_reset_to_the_heat_flux_from_below",
            "a_sub_step_is_inconsistent_where_a_layer_misses_its_temperature_by_more_than_a_tenth_of_a_kelvin",
            "air_beyond_what_there_is_counts_as_its_limit",
        )
    ),
    "physics/test_soil_heat_options.py::test_h13_results_of_the_fine_grid_are_means_of_the_default_layers",
    "physics/test_soil_heat_known.py",
    f"{HEAT}::test_case_4_energy",
]  # fmt: skip
TESTS = {
    "numerics/anderson": [
        f"{HEAT}::test_anderson_solves_a_stiff_linear_map",
        f"{HEAT}::test_anderson_leaps_no_further_than_asked",
    ],
    "numerics/batching": ["test_batching.py"],
    "numerics/fixed_point": ["test_fixed_point.py"],
    "numerics/kernels": ["test_kernels.py"],
    "numerics/layers": ["test_kernels.py", "physics/test_permafrost.py"],
    "numerics/safe": ["physics/test_extremes.py", "physics/test_photosynthesis.py", "physics/test_litter.py"],
    "physics/abrupt_thaw": [
        f"physics/test_abrupt_thaw.py::test_{name}"
        for name in (
            "little_carbon_limits_the_emission", "warming_speeds_thaw_up_and_ground_without_permafrost_stays",
            "carbon_and_nitrogen_of_a_column_are_kept", "held_ground_only_remembers_the_temperature",
            "frozen_matter_above_the_depth_of_exposure", "slopes_of_a_column_are_those_of_differences",
            "areas_and_emissions_of_the_published_model",
        )
    ],
    "physics/permafrost": [
        "physics/test_permafrost.py", "physics/test_abrupt_thaw.py::test_frozen_matter_above_the_depth_of_exposure",
    ],
    "physics/soil_heat/kernels": ["physics/test_soil_heat_kernels.py"],
    "physics/soil_heat/place": ["physics/test_soil_columns.py::test_published_conductivities",
                                "physics/test_soil_columns.py::test_peat_holds_what_the_subsoil_does_not_explain",
                                "physics/test_soil_columns.py::test_materials_stand_where_they_belong",
                                "physics/test_soil_columns.py::test_materials_by_hand",
                                "physics/test_soil_heat_known.py"],
    "physics/soil_heat/solver": [
        *(f"physics/test_soil_heat_kernels.py::test_{name}" for name in (
            "the_solve_is_that_of_the_full_matrix_with_its_derivatives",
            "kernels_give_the_numbers_of_the_plain_version[21-cells1-float32]",
        )),
        *GROUND,
    ],
    "physics/soil_heat": GROUND,
    "physics/snow": ["physics/test_snow.py", "physics/test_soil_heat_known.py"],
    "physics/surface": [
        *(f"physics/test_surface.py::test_{name}" for name in ("s8_to_s11_by_hand", "slopes_at_the_edges")),
        "physics/test_surface.py::test_no_light_no_warmth_and_shade_wetness_and_wind_take_it",
        "physics/test_soil_heat_known.py",
    ],
}  # fmt: skip
"""Quick tests of a module, or of a folder; of any other, those of its name."""
EQUIVALENT = {
    "physics/radiation: hour_angle = (np.arange(1, 25) - 11)[None, None, :] * np.pi / 12": "the same 24 hours of a day",
    "physics/permafrost/profile: amplitude, half_depth, falling = fitted_hyperbola(depth, np.cumsum(intervals, axis=1))": "1 "
    "and -1 are the same axis of columns and intervals",
    "physics/soil_heat/solver: if swept != content.shape[0]:": "no more layers are swept than there are",
}  # fmt: skip
"""Why a mutant changes no result, by "module: its changed line"."""
POINTLESS = ("Shift", "Bit", "Mod", "FloorDiv", "Invert", "ExceptionReplacer", "USub_Not", "UAdd_Not")
ENDS = {0: "survived", 1: "killed", 2: "killed", 3: "killed", 4: "killed"}


def tests_of(module: str) -> list[str]:
    """Files of tests of a module such as "physics/water"."""
    found = [f"physics/test_{Path(module).name}.py"]
    for name in (module, *(str(parent) for parent in Path(module).parents)):
        if name in TESTS:
            found = TESTS[name]
            break
    return [*found, DECLARED] if module.startswith("physics/") else found


def mutants(folder: Path, modules: Sequence[str]) -> list[tuple]:
    """(module, specification of cosmic-ray) of all mutants."""
    from cosmic_ray.commands import init
    from cosmic_ray.work_db import WorkDB, use_db

    package = folder / "src" / "jtem"
    paths = [path for name in modules for path in sorted(_files(package / name)) if path.name != "__init__.py"]
    with use_db(str(folder / "mutants.sqlite"), WorkDB.Mode.create) as work:
        init(paths, work, {})
        found = [mutation for item in work.work_items for mutation in item.mutations]
    kept = [one for one in found if not any(word in one.operator_name for word in POINTLESS) and not _is_mark(one)]
    kept.sort(key=lambda one: (str(one.module_path), one.start_pos, one.operator_name, one.occurrence))
    return [(str(Path(one.module_path).relative_to(package).with_suffix("")), one) for one in kept]


def changed_line(before: str, after: str) -> str:
    """The line that a mutant changes, as it is then."""
    pairs = itertools.zip_longest(before.splitlines(), after.splitlines(), fillvalue="")
    return next((new.strip() for old, new in pairs if old != new), "")


def name_of(module: str, one: MutationSpec) -> str:
    """Where a mutant is and what it does."""
    return f"{module}:{one.start_pos[0]}:{one.start_pos[1]} {one.operator_name} {one.occurrence}"


def _is_mark(one: MutationSpec) -> bool:
    """Whether it changes the mark between arguments by place and by name, or whether lengths of equal lists are compared."""
    line = Path(one.module_path).read_text().splitlines()[one.start_pos[0] - 1]
    return line[one.start_pos[1] :].startswith(("*,", "/,")) or line[: one.start_pos[1]].endswith("strict=")


def _files(path: Path) -> list[Path]:
    return list(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]


def tested(folder: Path, files: Sequence[str], seconds: float) -> tuple[str, float]:
    """How the tests of some files end in a fork, and how long they took."""
    begin = time.perf_counter()
    child = os.fork()
    if child == 0:
        _quietly(folder, files)
    while time.perf_counter() - begin < seconds:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return ENDS.get(os.waitstatus_to_exitcode(status), "killed"), time.perf_counter() - begin
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "killed (too long)", seconds


class Absent:
    """The shared data of ``conftest.py``, which is left out for the checks of shapes that it puts around functions."""

    @pytest.fixture(scope="session")
    def shared_data(self) -> Path:
        pytest.skip("mutants are judged by tests that need no shared data")


def _quietly(folder: Path, files: Sequence[str]) -> None:
    """Run pytest and leave the process."""
    code = 3
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os.chdir(folder)
        sys.path[:0] = [str(folder / "src"), str(folder / "tests"), str(folder / "tests" / "physics")]
        sys.dont_write_bytecode = True
        import jax

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_numpy_dtype_promotion", "strict")
        jax.config.update("jax_numpy_rank_promotion", "raise")
        words = ["-x", "-q", "-n", "0", "--noconftest", "-p", "no:cacheprovider", "--no-header"]
        code = int(pytest.main([*words, *(f"tests/{file}" for file in files)], plugins=[Absent()]))
    finally:
        os._exit(code)


def main() -> int:
    """Test a sample; 1 where fewer than 90 % are killed."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("modules", nargs="*", default=["physics", "numerics"], metavar="MODULE")
    words.add_argument("--count", type=int, default=300, help="how many mutants (300)")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--again", type=Path, metavar="FILE", help="survivors in what an earlier call wrote")
    given = words.parse_args()
    from cosmic_ray.mutating import use_mutation
    from cosmic_ray.plugins import get_operator

    for name in (
        "jax",
        "jax.numpy",
        "equinox",
        "hypothesis",
        "hypothesis.extra.numpy",
        "numpy",
        "pytest",
        "xarray",
        "jaxtyping",
    ):
        __import__(name)
    with tempfile.TemporaryDirectory(prefix="jtem-mutants-") as place:
        folder = Path(place)
        for name in ("src", "data", "tests", "benchmarks", "experiments"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        every = mutants(folder, given.modules)
        if given.again:
            wanted = given.again.read_text()
            some = [pair for pair in every if f"survived: {name_of(*pair)}:" in wanted]
        else:
            some = random.Random(given.seed).sample(every, min(given.count, len(every)))
        some.sort(key=lambda pair: pair[0])
        print(f"{len(every)} mutants of {', '.join(given.modules)}; {len(some)} of them", flush=True)
        plain: dict[str, float] = {}
        survived = same = 0
        for number, (module, one) in enumerate(some, 1):
            files = tests_of(module)
            key = " ".join(files)
            if key not in plain:
                tested(folder, files, 3600.0)  # fills the cache of programs
                end, plain[key] = tested(folder, files, 3600.0)
                if end != "survived":
                    sys.exit(f"tests of {module} fail without a mutant: {key}")
                print(f"{module}: {key} take {plain[key]:.1f} s", flush=True)
            operator = get_operator(one.operator_name)(**(one.operator_args or {}))
            with use_mutation(one.module_path, operator, one.occurrence) as (before, after):
                line = changed_line(before, after or before)
                reason = EQUIVALENT.get(f"{module}: {line}")
                end, seconds = ("equivalent", 0.0) if reason else tested(folder, files, 4 * plain[key] + 10.0)
            survived, same = survived + (end == "survived"), same + (end == "equivalent")
            print(f"{end}: {name_of(module, one)}: {reason or f'{seconds:.0f} s'}: {line}", flush=True)
            if number % 20 == 0:
                print(f"{number}: {number - survived - same} killed", flush=True)
        judged = len(some) - same
        share = 1.0 - survived / max(1, judged)
        print(f"{judged - survived} of {judged} killed: {share:.1%}; {same} more change no result")
    return 0 if share >= 0.9 else 1


if __name__ == "__main__":
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    os.environ["JTEM_CACHE"] = "off"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(tempfile.gettempdir()) / "jtem-mutants-cache"))
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    sys.exit(main())

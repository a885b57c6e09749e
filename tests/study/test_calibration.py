"""Twin experiments, exact derivatives, held-out scores, files written, and plans that must be refused."""

import csv
import dataclasses
import json
import sys
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calibration_twins import (
    DEFAULTS,
    HEAT,
    MONTHLY,
    POOLS,
    SITES,
    build,
    carbon_twin,
    check_gradient,
    heat_twin,
    truth,
    write_heat_table,
)
from jtem import parameters, run, step
from jtem.assemble.calibration import case
from jtem.commands.calibrate import print_posterior
from jtem.commands.main import main
from jtem.errors import InputError
from jtem.files import data_path
from jtem.plan import calibration as calibration_plan
from jtem.readers import observations
from jtem.report import calibration as figures
from jtem.study import scores
from jtem.study.calibration import descent, least_squares, misfit, pest, posterior, results, sampling, search
from jtem.study.calibration import problem as problems
from jtem.study.calibration.model import Misfit, near_posterior


@pytest.fixture(scope="module")
def carbon(tmp_path_factory):
    """Two sites without soil heat, observed without noise at the defaults, parameters off by up to 40 %."""
    return carbon_twin(tmp_path_factory.mktemp("carbon"))


@pytest.fixture(scope="module")
def heat(tmp_path_factory):
    return heat_twin(tmp_path_factory.mktemp("heat"))


def test_gradient_through_equilibrium_history_and_operators(carbon):
    check_gradient(carbon[0])


def test_gradient_through_soil_heat(heat):
    check_gradient(heat, 1e-6)


def test_sites_have_their_own_columns_only(carbon):
    model, o = carbon[0].model, carbon[0].problem.observations
    _, slope = model.sensitivity(model.start_values[None])
    for name, mine in (("decomposition rate:Toolik", "Toolik"), ("respiration.maintenance_intercept", "Bonanza Creek")):
        column = slope[0][:, model.names.index(name)]
        own = o.site == carbon[0].problem.sites.index(mine)
        assert np.all(column[~own] == 0) and np.any(column[own] != 0)


def test_groups_of_sites_are_put_together_as_one_batch_is(carbon):
    """Whatever the model says of each site, here its numbers in all shapes; groups of one size, the last one padded."""

    def said(which, setting, local, site, *heat):
        assert setting is model.setting and which in ("values", "jacobian", "heat") and len(heat) == (which != "heat")
        sizes.append(local.shape[-2])
        co2 = np.asarray(site.history.co2)[:, 0]
        if which == "heat":
            return misfit.Heat(*[co2 * local.sum(axis=-1)] * len(misfit.Heat._fields))
        out = heat[0][0][:, None] + local.sum(axis=-1)[..., None] * np.asarray(site.begin)
        code = np.broadcast_to(co2, local.shape[:-1])
        return (out, code) if which == "values" else (out, code, out[..., None] * local[:, :, None])

    def spread(function, tasks):
        assert function is misfit.called
        return [said(*task) for task in tasks]

    found = []
    for workers in (1, 2, 7):
        model, sizes = Misfit(carbon[0].problem), []
        model.share_out(spread, workers)
        values = np.stack([model.start_values, 1.01 * model.start_values])
        found.append((*model.sensitivity(values), model.codes(values), *model.simulate(values[0])))
        assert set(sizes) == {len(SITES) if workers == 1 else 1} and len(sizes) == 3 * min(workers, len(SITES))
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_twin_is_recovered_by_the_command(carbon, capsys):
    prepared, plan, folder = carbon
    out = folder / "out"
    assert main(["calibrate", str(plan), "--out", str(out)]) == 0
    assert "misfit" in capsys.readouterr().out
    with (out / "parameters.csv").open() as file:
        found = np.array([float(row["value"]) for row in csv.DictReader(file)])
    np.testing.assert_allclose(found, truth(prepared), rtol=1e-3)
    for score in scores.read(out / "scores.csv"):
        assert score.n > 0 and (np.isnan(score.r2) or score.r2 > 0.9999)
    parts = {(s.site, s.part) for s in scores.read(out / "scores.csv")}
    assert {(s, p) for s in SITES for p in ("fit", "held-out")} <= parts
    assert min(s.r2 for s in scores.read(out / "scores_before.csv")) < 0.8
    # the overlay loads and holds the defaults again, and says what it cannot hold
    table = parameters.read_table(step.Parameters, [*DEFAULTS, out / "calibrated.toml"])
    for name, entry in prepared.table.entries.items():
        for community, value in entry.values.items():
            np.testing.assert_allclose(table.entries[name].values[community], value, rtol=1e-3)
    written = tomllib.loads((out / "calibrated.toml").read_text())
    assert "decomposition" in written and "start.soil_carbon:Toolik" in written["overlay"]["sites"]
    assert set(written["overlay"]["uncertainty"]) == set(prepared.model.names)
    if figures.available():
        assert (out / "fit_Toolik.png").stat().st_size > 10_000


def test_finished_results_are_not_overwritten_unasked(carbon, capsys, monkeypatch, tmp_path):
    (tmp_path / "calibrated.toml").write_text("# dear results\n")
    monkeypatch.setattr(search, "fit", lambda *_, **__: pytest.fail("searched"))
    assert main(["calibrate", str(carbon[1]), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(
        f"jtem: {tmp_path}: holds the results of a finished calibration; choose another folder with --out"
    )
    assert said.count("\n") == 1 and (tmp_path / "calibrated.toml").read_text() == "# dear results\n"

    class Searched(Exception):
        pass

    def searched(*_, **__):
        raise Searched

    monkeypatch.setattr(search, "fit", searched)
    for option in ("--force", "--resume"):
        with pytest.raises(Searched):
            main(["calibrate", str(carbon[1]), "--out", str(tmp_path), option])


@pytest.mark.parametrize(
    "why", ["left empty", "before history", "outside the years of [fit]"], ids=["empty", "early", "years"]
)
def test_a_site_without_usable_observations_is_one_sentence(why, carbon, capsys, monkeypatch, tmp_path):
    """Nothing is searched for, where a site would be drawn with no observation at all."""
    _, plan, folder = carbon
    text, table = plan.read_text(), tmp_path / "observed.csv"
    rows = (folder / "observed.csv").read_text().splitlines()
    toolik = [k for k, row in enumerate(rows) if row.startswith("Toolik")]
    for k in toolik:
        site, year, month, stream, depth, value, unit = rows[k].split(",")
        if why == "left empty":
            value = ""
        if why == "before history":
            year = str(int(year) - 60)
        rows[k] = ",".join((site, year, month, stream, depth, value, unit))
    table.write_text("\n".join(rows) + "\n")
    text = text.replace(str(folder / "observed.csv"), str(table))
    if why.startswith("outside"):
        text = text.replace("[fit]\n", "[fit]\nyears = { all = [1996, 1998], Toolik = [2005, 2006] }\n")
        text = text.replace("held_out = { all = [1999, 1999] }", 'held_out = { "Bonanza Creek" = [1999, 1999] }')
    (tmp_path / "plan.toml").write_text(text)
    monkeypatch.setattr(misfit, "program", lambda *_: pytest.fail("compiled"))
    assert main(["calibrate", str(tmp_path / "plan.toml"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert (
        "no observation of site 'Toolik' is usable: none passes the limits of quality" in said and said.count("\n") == 1
    )


def test_a_stopped_search_goes_on(carbon):
    prepared, plan, folder = carbon
    text, out = plan.read_text(), folder / "resumed"
    out.mkdir()

    class Stop(Exception):
        pass

    told = []

    def say(line):
        told.append(line)
        if len(told) == 3:
            raise Stop

    with pytest.raises(Stop):
        search.fit(prepared, out, say=say)
    kept = json.loads((out / search.STATE).read_text())["searches"][0]["history"]
    resumed = search.fit(prepared, out, resume=True, say=lambda line: None)
    whole = search.fit(prepared, folder, say=lambda line: None)
    assert len(kept) == 3 and list(resumed.fit.history[:3]) == kept
    np.testing.assert_array_equal(resumed.fit.x, whole.fit.x)
    other = folder / "other.toml"
    other.write_text(text.replace("iterations = 40", "iterations = 41"))
    changed = case(calibration_plan.read(other), None)
    with pytest.raises(InputError, match="another plan"):
        search.fit(changed, out, resume=True)


def test_heat_twin_is_recovered(heat, tmp_path):
    outcome = search.fit(heat, tmp_path, say=lambda line: None)
    np.testing.assert_allclose(heat.model.transform.values(outcome.fit.x), truth(heat), rtol=1e-3)
    found = results.evaluate(heat, outcome)
    assert np.all(found.spread >= 0) and np.all(found.codes == 0)


def test_heat_does_not_depend_on_other_parameters(heat):
    """:func:`problems.acts_on_heat` names all parameters that do; heat is reused for the rest."""
    problem, setting = heat.problem, heat.model.setting
    site = jax.tree.map(lambda leaf: leaf[0], heat.model.site)
    row = site.row
    names = [n for n, m in parameters.fields(step.Parameters) if m["trainable"]]

    def first_months(row):
        moved = misfit.with_values(setting, heat.model._local(heat.model.start_values)[0], site._replace(row=row))[0]
        derived, state = run.course.start(moved, site.cell, site.spin_up, design=problem.design)
        year = jax.tree.map(lambda leaf: leaf[0], site.history)
        _, made = run.years.heat(state.thermal, year, site.cell, derived, design=problem.design)
        return jax.tree.leaves(made.months)

    plain = [np.asarray(leaf) for leaf in jax.jit(first_months)(row)]
    compiled = jax.jit(first_months)
    for name in names:
        handle = parameters.Handle.of(name)
        changed = compiled(handle.put(row, handle.leaf(row) * 1.07 + 1e-3))
        same = all(np.array_equal(a, np.asarray(b), equal_nan=True) for a, b in zip(plain, changed, strict=True))
        assert same or problems.acts_on_heat(name), name


def test_descent_finds_the_minimum_of_a_valley():
    scale = np.array([1.0, 30.0])

    def valley(x):
        return float(((scale * (x - 1.0)) ** 2).sum()), 2 * scale**2 * (x - 1.0)

    found = descent.minimise(valley, np.zeros(2), "lbfgs", decrease=1e-12)
    np.testing.assert_allclose(found.best_x, 1.0, atol=1e-4)
    adam = descent.minimise(valley, np.zeros(2), "adam", iterations=500, decrease=1e-12)
    np.testing.assert_allclose(adam.best_x, 1.0, atol=2e-2)
    assert list(found.history) == sorted(found.history, reverse=True)


TEMPERATURE = 'name = "decomposition.temperature_sensitivity"\nbounds = [0.03, 0.15]\nstart = 0.095'
MAINTENANCE = 'communities = ["boreal_forest"]\nbounds = [-8.0, -3.0]\nstart = -5.05'
BAD = {
    "unknown parameter": ("decomposition.temperature_sensitivity", "decomposition.temperature_sensivity", "did you mean"),
    "start outside bounds": ("start = 0.095", "start = 0.16", "not inside its bounds"),
    "outside the table": ("bounds = [0.03, 0.15]", "bounds = [0.01, 0.15]", "reach outside the table"),
    "not trainable": ("decomposition.temperature_sensitivity", "water.snowmelt_temperature", "cannot be calibrated"),
    "no observation left": ("{ all = [1999, 1999] }", "{ all = [1990, 2005] }", "no usable observation"),
    "overlapping years": ("held_out = {", "years = { all = [1996, 1999] }\nheld_out = {", "overlap"),
    "unknown key": ("iterations = 40", "iteration = 40", "unknown key"),
    "unknown community": ('communities = ["boreal_forest"]', 'communities = ["boreal"]', "unknown community"),
    "unknown site": ('sites = ["Toolik"]', 'sites = ["Tolik"]', "no site"),
    "factor too wide": ("bounds = [0.3, 3.0]", "bounds = [0.3, 300.0]", "leaves the table's bounds"),
    "heat without heat": (TEMPERATURE, 'name = "soil_thermal.snow_density"\nbounds = [100.0, 500.0]', "soil heat"),
    "different values": (MAINTENANCE, "bounds = [-8.0, -3.0]", "give a 'start'"),
    "no error": ("nep = 1.0, ", "", "no error is stated"),
    "no such key of the posterior": ("[search]", "[posterior]\nsample = 100\n[search]", "unknown key 'sample'"),
    "no sample": ("[search]", "[posterior]\nsamples = 0\n[search]", "'samples' is 0"),
    "no warming up": ("[search]", "[posterior]\nwarmup = -5\n[search]", "'warmup' is -5, expected"),
    "one chain": ("[search]", "[posterior]\nchains = 1\n[search]", "'chains' is 1, expected"),
    "half a chain": ("[search]", "[posterior]\nchains = 2.5\n[search]", "expected a whole number"),
    "negative seed": ("[search]", "[posterior]\nseed = -1\n[search]", "'seed' is -1, expected"),
    "no depth": ("[search]", "[posterior]\nmax_depth = 0\n[search]", "'max_depth' is 0, expected"),
    "acceptance": ("[search]", "[posterior]\ntarget_acceptance = 1.0\n[search]", "'target_acceptance' is 1, expected"),
    "two posteriors": ("[search]", "[[posterior]]\n[search]", "must be a table"),
    "data not available": ('name = "twin"', 'name = "twin"\nunavailable = "site not shared"', "data not available"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", BAD)
def test_bad_plans_end_with_one_sentence_before_anything_compiles(wrong, carbon, capsys, monkeypatch, tmp_path):
    old, new, words = BAD[wrong]
    text = carbon[1].read_text()
    assert old in text
    monkeypatch.setattr(misfit, "program", lambda *_: pytest.fail("compiled"))
    plan = tmp_path / "bad.toml"
    plan.write_text(text.replace(old, new))
    assert main(["calibrate", str(plan), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("jtem: ") and len(said.splitlines()) == 1
    with pytest.raises(InputError, match=words):
        case(calibration_plan.read(plan), None)


def test_without_blackjax_one_sentence_before_anything_compiles(carbon, capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "blackjax", None)
    monkeypatch.setattr(misfit, "program", lambda *_: pytest.fail("compiled"))
    plan = tmp_path / "posterior.toml"
    plan.write_text(carbon[1].read_text() + "\n[posterior]\n")
    assert main(["calibrate", str(plan), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("jtem: ") and len(said.splitlines()) == 1 and 'pip install "jtem[calibration]"' in said


def asked_for(made, text):
    """The case with the text and the [posterior] of another plan."""
    part = calibration_plan.parse(text).posterior
    assert part is not None
    return dataclasses.replace(made, text=text, posterior=sampling.Sampling(**dataclasses.asdict(part)))


POSTERIOR = "\n[posterior] # few\nsamples = 250\nwarmup = 100\nchains = 3\n"


def test_search_goes_on_whatever_the_posterior_asks_for(carbon):
    text = carbon[0].text
    asked = [text + POSTERIOR, text + POSTERIOR.replace("250", "400")]
    assert {search.identity(t) for t in asked} == {search.identity(text)}
    changed = text.replace("iterations = 40", "iterations = 41")
    assert search.identity(changed + POSTERIOR) != search.identity(text)


@pytest.mark.slow
def test_draws_are_written_down_gone_on_with_and_told(carbon, monkeypatch, tmp_path):
    """All but the density, which is the Gaussian of the best fit here: its moments come back in the table's units."""
    pytest.importorskip("blackjax", reason="blackjax is optional: pip install 'jtem[calibration]'")
    text = carbon[1].read_text() + POSTERIOR
    prepared = asked_for(carbon[0], text)
    outcome = search.fit(prepared, tmp_path, say=lambda line: None)
    x, model = outcome.fit.x, prepared.model
    precision = np.linalg.inv(near_posterior(outcome.fit.jacobian))
    monkeypatch.setattr(
        misfit, "log_density", lambda setting: lambda z, *_: -0.5 * (z - x) @ jnp.asarray(precision) @ (z - x)
    )
    monkeypatch.setattr(sampling, "CAPACITY", 40)
    told = []

    class Stop(Exception):
        pass

    def say(line):
        told.append(line)
        if sum(one.startswith("draw ") for one in told) == 3:
            raise Stop

    with pytest.raises(Stop):
        posterior.sample(prepared, outcome, tmp_path, say=say)
    assert "(warming up)" in told[-1] and "acceptance" in told[-1] and "left" in told[-1]
    assert any(line.startswith("compiled in") for line in told)
    with np.load(tmp_path / posterior.DRAWS) as kept:
        begun = kept["x"]
    whole = posterior.sample(prepared, outcome, tmp_path, resume=True, say=told.append)
    assert told[-1].startswith("draw   350 of 350  ") and whole.number == 350 and 2 < begun.shape[1] <= 100
    np.testing.assert_array_equal(whole.x[:, : begun.shape[1]], begun)
    other = asked_for(prepared, text.replace("chains = 3", "chains = 2"))
    with pytest.raises(InputError, match="another plan"):
        posterior.sample(other, outcome, tmp_path, resume=True)
    fewer = asked_for(prepared, text.replace("samples = 250", "samples = 100"))
    with pytest.raises(InputError, match="more draws than"):
        posterior.sample(fewer, outcome, tmp_path, resume=True)

    found, _ = posterior.write_posterior(prepared, outcome, whole, tmp_path)
    with (tmp_path / "posterior.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 250 and [rows[-1]["chain"], rows[-1]["draw"]] == ["3", "250"]
    assert {*model.names, "log_density", "divergent", "acceptance"} < set(rows[0])
    with (tmp_path / "posterior_summary.csv").open() as file:
        summary = {row["name"]: row for row in csv.DictReader(file)}
    assert list(summary) == list(model.names)
    for k, (name, row) in enumerate(summary.items()):
        drawn = np.array([float(r[name]) for r in rows])
        assert float(row["mean"]) == pytest.approx(drawn.mean(), rel=1e-6) and found[k].name == name
        deviation, error = float(row["standard_deviation"]), float(row["laplace_standard_error"])
        assert deviation == pytest.approx(error, rel=0.2)
        assert abs(float(row["mean"]) - float(row["laplace_value"])) < 0.3 * error
        assert float(row["ess_bulk"]) > 100 and 0.99 < float(row["r_hat"]) < 1.05
    assert summary["decomposition rate:Toolik"]["unit"] == "1"
    assert summary["decomposition.temperature_sensitivity"]["unit"] != "1"
    print_posterior(found, least_squares.summary(outcome.fit, model.transform))
    if figures.available():
        assert (tmp_path / "posterior.png").stat().st_size > 10_000


def test_pest_runs_the_calibrations_own_model(carbon, tmp_path, monkeypatch):
    """Factors by community and site, several parameters, pools at the start: exported, filled, run, the same residuals."""
    prepared, plan, _ = carbon
    model, o = prepared.model, prepared.problem.observations
    monkeypatch.chdir(tmp_path)
    assert main(["calibrate", str(plan), "--pest", "."]) == 0
    control = pest.read_control(tmp_path / "twin.pst")
    assert [p.name for p in control.parameters] == list(model.names)
    assert {"decomposition rate:Toolik", "maximum photosynthesis:boreal_forest"} < set(model.names)
    assert [p.value for p in control.parameters] == model.start_values.tolist()
    assert len(control.observations) == 2 * 4 * (3 * 12 + 3)
    assert "--pest-values values.toml --pest-run simulated.txt" in (tmp_path / "twin.pst").read_text()

    values = model.transform.values(model.start + np.linspace(-0.3, 0.3, len(model.names)))
    known = pest.read_names(tmp_path / "twin.names.csv")["parameter"]
    by_name = dict(zip(model.names, values.tolist(), strict=True))
    (tmp_path / "values.toml").write_text(
        pest.fill("twin.tpl", {short: by_name[name] for short, name in known.items()})
    )
    assert main(["calibrate", str(plan), "--pest-run", "simulated.txt"]) == 0
    found = np.array([float(line.split()[-1]) for line in (tmp_path / "simulated.txt").read_text().splitlines()])
    weighted = np.array([(f - seen.value) * seen.weight for f, seen in zip(found, control.observations, strict=True)])
    expected = model.residuals(model.transform.free(values)[None])[0]
    np.testing.assert_allclose(weighted[o.fit[np.isfinite(o.value)]], expected, rtol=1e-9, atol=1e-9)

    at_bound = values.copy()  # where PEST goes and the search does not
    at_bound[-1] = model.transform.upper[-1]
    found = pest.simulated(model, dict(zip(model.names, at_bound, strict=True)))
    expected = model.sensitivity(at_bound[None])[0][0][np.isfinite(o.value)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)

    rows = [f"{short} {by_name[name]!r} 1.0 0.0" for short, name in known.items()]  # PEST's answer becomes an overlay
    (tmp_path / "twin.par").write_text("\n".join(["single point", *rows]) + "\n")
    assert main(["calibrate", str(plan), "--pest-values", "twin.par", "--out", "best"]) == 0
    table = parameters.read_table(step.Parameters, [*DEFAULTS, tmp_path / "best" / "calibrated.toml"])
    for name in ("photosynthesis.maximum_rate_slope", "decomposition.temperature_sensitivity"):
        before, after = (t.entries[name].values["boreal_forest"] for t in (prepared.table, table))
        label = "maximum photosynthesis:boreal_forest" if "slope" in name else name
        assert after == pytest.approx(by_name[label] * (before if "slope" in name else 1.0), rel=1e-12)
    assert "start.soil_carbon:Toolik" in (tmp_path / "best" / "calibrated.toml").read_text()  # of one site


def test_targets_of_communities_become_sites_by_their_places(tmp_path):
    """Source ``calibration_targets``: long-term means of communities without coordinates; the plan gives these."""
    names = ("CMT01 black spruce forest", "CMT05 tussock tundra")
    header = "site,community,variable,pft,compartment,value,unit,basis,source\n"
    rows = [("NPP", 210.0, "g C m-2 yr-1"), ("vegetation_C", 3200.0, "g C m-2")]
    lines = [f"Alaska,{name},{v},ALL,,{x},{u},field,s\n" for name in names for v, x, u in rows]
    (tmp_path / "targets.csv").write_text(header + "".join(lines))
    text = f"""
[calibration]
name = "pools"
[[data]]
source = "calibration_targets"
path = "{tmp_path / "targets.csv"}"
climate = "embedded"
places = {{ "{names[0]}" = [64.9, -148.4], "{names[1]}" = [68.6, -149.6] }}
elevations = {{ "{names[0]}" = 300.0, "{names[1]}" = 720.0 }}
[history]
first = 1990
spin_up = [1961, 1990]
[fit]
held_out_sites = ["{names[1]}"]
[errors]
relative = {{ net_primary_production = 0.2, vegetation_carbon = 0.2 }}
[[parameter]]
name = "decomposition.temperature_sensitivity"
bounds = [0.03, 0.15]
"""
    problem = case(calibration_plan.parse(text), None).problem
    assert problem.sites == names and problem.communities == ("boreal_forest", "wet_moist_tundra")
    assert problem.observations.value.tolist() == [210.0, 3200.0, 210.0, 3200.0]
    assert problem.observations.fitted.tolist() == [True, True, False, False]
    assert (problem.observations.end - problem.observations.begin == 12).all()
    swapped = text.replace("[64.9, -148.4]", "[-148.4, 64.9]")
    with pytest.raises(InputError, match=r"is not \[latitude, longitude\] in degrees"):
        calibration_plan.parse(swapped)
    unknown = text.replace(f'places = {{ "{names[0]}"', 'places = { "CMT99 moss"')
    with pytest.raises(InputError, match="places names 'CMT99 moss', which is no site"):
        case(calibration_plan.parse(unknown), None)
    with pytest.raises(InputError, match="has no latitude and longitude; give it"):
        case(calibration_plan.parse(text.replace("places = ", "# ")), None)


@pytest.mark.slow
def test_real_tower_plans_can_be_built_and_exported(shared_data, tmp_path):
    """Plans of the papers' cases read and check; those without data say so."""
    root = data_path("parameters").parents[1] / "experiments"
    plans = sorted(root.glob("*/calibration/*.toml"))
    assert len(plans) >= 5
    for path in plans:
        plan = calibration_plan.read(path)
        if plan.calibration.unavailable:
            with pytest.raises(InputError, match="data not available"):
                case(plan, shared_data)
            continue
        prepared = case(plan, shared_data)
        assert prepared.problem.observations.fitted.sum() > len(prepared.model.names), path
        files = pest.write(pest.problem_of(prepared.model, prepared.first_year), tmp_path, path.stem, "run")
        back = pest.read_control(files["pst"])
        assert [p.name for p in back.parameters] == list(prepared.model.names)
        assert [p.prior is None for p in back.parameters] == [p is None for p in prepared.model.prior]
        years = prepared.problem.history.air_temperature
        assert np.isfinite(np.asarray(years)).all() and years.shape[0] == len(prepared.problem.sites)


# --- slow ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_intervals_cover_the_truth_under_noise(carbon):
    """95 % intervals of 40 noisy repeats, all coordinates: at least 90 % hold the truth. Each repeat takes the lowest of three
    starts: one start of four ends in another optimum (nitrogen uptake against maintenance respiration).
    """
    prepared = carbon[0]
    model, o = prepared.model, prepared.problem.observations
    clean, wanted = np.array(o.value[model.fitted]), truth(prepared)
    rng = np.random.default_rng(11)
    inside, rules = [], least_squares.Rules(longest_step=2.0)
    try:
        for _ in range(40):
            o.value[model.fitted] = clean + rng.normal(0.0, 1.0, clean.size) * o.error[model.fitted]
            begin = [model.start, *(model.start + rng.normal(0.0, 0.5, (2, model.start.size)))]
            ends = [least_squares.minimise_many(model.residuals, model.jacobian, x[None], rules)[0] for x in begin]
            search = min((e for e in ends if e.jacobian is not None), key=lambda e: e.cost)
            rows = least_squares.summary(least_squares.fit_of(search), model.transform)
            inside.append([row["lower"] <= t <= row["upper"] for row, t in zip(rows, wanted, strict=True)])
    finally:
        o.value[model.fitted] = clean
    share = np.mean(inside)
    print(
        f"95 % intervals hold the truth in {share:.3f} of {np.size(inside)} cases; by coordinate {np.mean(inside, axis=0)}"
    )
    assert share >= 0.90


@pytest.mark.slow
def test_draws_of_the_posterior_agree_with_laplace(carbon, tmp_path):
    """The twin with noise through the real model: NUTS against the first-order (Laplace) errors, and the truth."""
    pytest.importorskip("blackjax", reason="blackjax is optional: pip install 'jtem[calibration]'")
    text = carbon[1].read_text() + "\n[posterior]\nsamples = 300\nwarmup = 200\nchains = 4\n"
    problem = carbon[0].problem
    o = problem.observations
    noise = np.random.default_rng(3).normal(0.0, 1.0, o.value.size) * np.where(o.fitted, o.error, 0.0)
    problem = dataclasses.replace(problem, observations=dataclasses.replace(o, value=o.value + noise))
    prepared = dataclasses.replace(asked_for(carbon[0], text), problem=problem, model=Misfit(problem))
    outcome = search.fit(prepared, tmp_path, say=lambda line: None)
    draws = posterior.sample(prepared, outcome, tmp_path, say=lambda line: print(line, flush=True))
    found, warned = posterior.write_posterior(prepared, outcome, draws, tmp_path)
    laplace = least_squares.summary(outcome.fit, prepared.model.transform)
    print_posterior(found, laplace)
    print(warned)
    inside = []
    for one, row, true in zip(found, laplace, truth(prepared), strict=True):
        error = float(row["standard_error"])
        assert one.r_hat < 1.03 and one.effective > 300, one
        assert abs(one.mean - float(row["value"])) < 0.5 * error, one
        assert one.standard_deviation == pytest.approx(error, rel=0.35), one
        inside.append(one.lower <= true <= one.upper)
    assert np.mean(inside) >= 0.75


@pytest.mark.slow
def test_reverse_gradient_is_the_forward_one_and_its_cost(carbon):
    model = carbon[0].model
    x = model.start
    value, gradient = model.misfit_and_gradient(x)
    residual, jacobian = model.residuals(x[None])[0], model.jacobian(x[None])[0]
    assert value == pytest.approx(residual @ residual, rel=1e-12)
    np.testing.assert_allclose(gradient, 2.0 * jacobian.T @ residual, rtol=1e-8)
    density = float(model.log_posterior(jax.numpy.asarray(x)))
    share = 1 / (1 + np.exp(-x))
    assert density == pytest.approx(-0.5 * value + np.log(share * (1 - share)).sum(), rel=1e-10)
    forward, slope = model.log_posterior_and_gradient(x[None])
    assert forward[0] == pytest.approx(density, rel=1e-10)
    reverse = jax.grad(model.log_posterior)(jax.numpy.asarray(x))
    np.testing.assert_allclose(slope[0], np.asarray(reverse), rtol=1e-8)


@pytest.mark.slow
def test_differences_of_heat_are_the_derivative_where_heat_is_smooth(heat, tmp_path):
    table = tmp_path / "observed.csv"
    write_heat_table(table)
    rough = build(HEAT + "\n[search]\nheat_differences = 0.0002\n", table)
    values = heat.model.start_values[None]
    exact, coarse = heat.model.sensitivity(values), rough.model.sensitivity(values)
    np.testing.assert_allclose(exact[0], coarse[0], atol=1e-6)
    largest = np.abs(exact[1]).max(axis=(0, 1))
    np.testing.assert_allclose(coarse[1] / largest, exact[1] / largest, atol=2e-2)


def test_observation_signs(carbon):
    """NEE in the user's table is NEP with the other sign, and its error stays."""
    table = observations.read_table(carbon[2] / "observed.csv")
    assert set(table["stream"].values) == {*MONTHLY, *POOLS}

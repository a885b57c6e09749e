"""Weights of a calibration plan's fields by an ensemble: where soil heat is rough, exact derivatives lead a search nowhere.

Sites share nothing but weights, so one run of all sites tries another point at each. An ensemble over the bounds of the plan's
parameters (Sobol' sequence) gives every site a Gaussian process that predicts what is observed there; on those the plan's misfit
(its errors, loss and priors) is cheap and smooth, and its minimum is found by L-BFGS. The model is run at the fits of every round
and around them, and joins the ensemble. Blocked: one fit a fold, on the same processes of the other sites; each site is then run
by the model with the weights that have not seen its block.

    python benchmarks/ground_search.py PLAN --data DATA --out DIR [--points 128] [--rounds 3]

DIR keeps the ensemble (``ensemble.npz``: a change of covariates or priors needs no new one) and gets ``calibrated.toml`` (the
overlay), ``scores.csv`` and ``simulated.npz`` (fit, blocked).
"""

import argparse
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

from scipy.optimize import minimize  # noqa: E402
from scipy.stats import qmc  # noqa: E402

from jtem.assemble.calibration import open_case  # noqa: E402
from jtem.study import scores  # noqa: E402
from jtem.study.calibration import misfit, results  # noqa: E402
from jtem.study.calibration.case import Case  # noqa: E402

SHALLOWEST, DEEPEST = 0.05, 9.0
"""Thaw depths (m) are emulated by their logarithm within these."""
LENGTHS = 0.8, 1.2, 1.8, 2.7
"""Lengths of the processes, in widths of the bounds; the one that leaves single points out best is taken."""
NUGGET = 5e-3
AROUND = 0.35
"""Spread of further points about a fit (on the logit)."""


class Ensemble:
    """Runs of the sites that a fit sees, each at its own point: shares of the way between bounds (member, site, slot)."""

    def __init__(self, made: Case, path: Path):
        """With what ``path`` keeps, if it is of the same sites and bounds."""
        self.problem, self.model, self.path = made.problem, made.model, path
        folds = self.problem.folds
        assert folds is not None, "the plan has no section [validation]"
        self.sites = np.flatnonzero(folds >= 0)
        self.folds = folds[self.sites]
        self.inputs = jax.tree.map(lambda leaf: leaf[self.sites], self.model.site)
        observed = self.problem.observations
        self.rows = np.flatnonzero(np.isin(observed.site, self.sites))
        self.at = np.searchsorted(self.sites, observed.site[self.rows])
        low, high = (np.array([getattr(f, name) for f in self.problem.free]) for name in ("lower", "upper"))
        self.key = repr((self.problem.sites, [f.names for f in self.problem.free], low.tolist(), high.tolist()))
        self.low, self.high = low, high
        self.logs = np.array([f.scale == "log" for f in self.problem.free])
        self.shares = np.zeros((0, self.sites.size, low.size))
        self.simulated = np.zeros((0, self.rows.size), np.float32)
        if path.exists():
            kept = np.load(path)
            if str(kept["key"]) == self.key:
                self.shares, self.simulated = kept["shares"], kept["simulated"]

    def values(self, shares: np.ndarray) -> np.ndarray:
        """Parameters of shares (..., slot)."""
        return np.where(
            self.logs, self.low * (self.high / self.low) ** shares, self.low + shares * (self.high - self.low)
        )

    def run(self, shares: np.ndarray) -> np.ndarray:
        """What the model gives for the rows, (row,), with the parameters of shares (site, slot)."""
        program = misfit.program("values", self.model.setting)
        out, _ = program(self.values(shares)[None], self.inputs, None)
        return np.asarray(out)[0, self.at, self.model.position[self.rows]]

    def grow(self, shares: np.ndarray) -> None:
        """Add members (member, site, slot), and write all down."""
        for k, one in enumerate(shares, start=1):
            self.simulated = np.concatenate([self.simulated, self.run(one).astype(np.float32)[None]])
            self.shares = np.concatenate([self.shares, one[None]])
            if k % 16 == 0 or k == len(shares):
                np.savez(self.path, key=self.key, shares=self.shares, simulated=self.simulated)
                print(f"{len(self.shares)} members", flush=True)


class Targets:
    """Means of what was observed, by site, channel and month of the year, each counted as often as it was observed."""

    def __init__(self, ensemble: Ensemble):
        """Of the finite rows of the misfit."""
        problem, o = ensemble.problem, ensemble.problem.observations
        mine = np.flatnonzero(o.fitted[ensemble.rows])
        rows = ensemble.rows[mine]
        monthly = o.end[rows] - o.begin[rows] == 1
        key = np.stack([ensemble.at[mine], o.channel[rows], np.where(monthly, o.begin[rows] % 12, 12)], axis=1)
        found, self.inverse = np.unique(key, axis=0, return_inverse=True)
        self.inverse, self.rows = self.inverse.ravel(), mine
        self.count = np.bincount(self.inverse).astype(float)
        self.site, channel = found[:, 0], found[:, 1]
        self.thaw = np.array([c.name == "active_layer_thickness" for c in problem.channels])[channel]
        self.value, self.error, self.bound = (
            self.mean(np.asarray(x)[ensemble.rows]) for x in (o.value, o.error, o.bound)
        )

    def mean(self, values: np.ndarray) -> np.ndarray:
        """Means (..., target) of rows (..., row)."""
        flat = np.atleast_2d(values)[:, self.rows].astype(float)
        sums = np.stack([np.bincount(self.inverse, weights=row) for row in flat]) / self.count
        return sums.reshape(*np.shape(values)[:-1], -1)

    def emulated(self, simulated: np.ndarray) -> np.ndarray:
        """What the processes predict: thaw depth by twice its logarithm, temperatures as they are."""
        means = self.mean(np.minimum(simulated, 30.0))
        return np.where(self.thaw, 2.0 * np.log(np.clip(means, SHALLOWEST, DEEPEST)), np.maximum(means, -40.0))


class Emulator:
    """A Gaussian process a site, of all its targets at once: squared exponential and linear covariance."""

    def __init__(self, ensemble: Ensemble, targets: Targets):
        """With the length that predicts members left out one by one best."""
        self.targets = targets
        known = targets.emulated(ensemble.simulated)
        self.mean, tried = known.mean(axis=0), []
        for length in LENGTHS:
            weights, left_out = np.zeros_like(known), np.zeros_like(known)
            for s in range(ensemble.sites.size):
                here = targets.site == s
                points = ensemble.shares[:, s]
                inverse = np.linalg.inv(covariance(points, points, length) + NUGGET * np.eye(len(points)))
                weights[:, here] = inverse @ (known - self.mean)[:, here]
                left_out[:, here] = weights[:, here] / np.diag(inverse)[:, None]
            tried.append(
                (np.mean(left_out[:, ~targets.thaw] ** 2) / 6.0 + np.mean(left_out[:, targets.thaw] ** 2), length)
            )
            if tried[-1] == min(tried):
                self.weights, self.length, best = jnp.asarray(weights.T), length, left_out
        self.points = jnp.asarray(np.swapaxes(ensemble.shares, 0, 1))
        cold, thawed = (np.sqrt(np.mean(best[:, part] ** 2)) for part in (~targets.thaw, targets.thaw))
        print(
            f"{len(known)} members, length {self.length}: left out, temperature within {cold:.2f} K, "
            f"logarithm of thaw depth within {thawed / 2:.2f}",
            flush=True,
        )

    def __call__(self, shares: jax.Array) -> jax.Array:
        """Targets (target,) at shares (site, slot)."""
        near = jax.vmap(lambda one, points: covariance(one[None], points, self.length)[0])(shares, self.points)
        made = (self.weights * near[self.targets.site]).sum(axis=1) + self.mean
        return jnp.where(self.targets.thaw, jnp.exp(jnp.clip(made / 2.0, np.log(SHALLOWEST), np.log(DEEPEST))), made)


def covariance(a, b, length: float):
    """Covariance (a, b) of points (a, slot) and (b, slot), for numpy and JAX."""
    square = (((a[:, None] - b[None]) / length) ** 2).sum(axis=-1)
    return (jnp if isinstance(a, jax.Array) else np).exp(-0.5 * square) + (a - 0.5) @ (b - 0.5).T + 0.05


class EmulatedMisfit:
    """The plan's misfit on an emulator: errors, loss and priors of the plan."""

    def __init__(self, made: Case, ensemble: Ensemble, emulator: Emulator):
        """Compiled at its first use."""
        t, scale = emulator.targets, made.problem.loss_scale
        design = jnp.asarray(made.model.design[ensemble.sites])
        self.start, deviation = np.array(made.model.prior, dtype=float).T
        self.targets, start = t, self.start

        def cost(weights: jax.Array, counted: jax.Array) -> jax.Array:
            error = (emulator(jax.nn.sigmoid(design @ weights)) - t.value) / t.error
            error = jnp.where((t.bound > 0) & (error < 0), 0.0, error)
            lost = scale**2 * jnp.log1p((error / scale) ** 2) if scale else error**2
            return (lost * counted).sum() + (((weights - start) / deviation) ** 2).sum()

        self.both = jax.jit(jax.value_and_grad(cost))

    def lowest(self, seen: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights (coordinate,) with the lowest misfit at the sites ``seen`` (site,), and that misfit."""
        counted = jnp.asarray(self.targets.count * seen[self.targets.site])
        found = minimize(
            lambda w: [np.asarray(part, float) for part in self.both(w, counted)],
            self.start,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 200},
        )
        return found.x, float(found.fun)


def search(made: Case, ensemble: Ensemble, points: int, rounds: int, around: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the last round's fit, (coordinate,), and of its folds, (fold, coordinate)."""
    slots, count = ensemble.low.size, ensemble.sites.size
    if len(ensemble.shares) < points:
        first = qmc.Sobol(slots, seed=1).random(points)[len(ensemble.shares) :]
        ensemble.grow(np.repeat(first[:, None], count, axis=1))
    targets, everywhere = Targets(ensemble), np.ones(count)
    noise = np.random.default_rng(2)
    sites = functools.partial(shares_of, made, ensemble)
    for k in range(rounds):
        weights, cost = EmulatedMisfit(made, ensemble, Emulator(ensemble, targets)).lowest(everywhere)
        print(f"round {k + 1}: misfit {cost:.0f}", flush=True)
        at = np.log(sites(weights) / (1.0 - sites(weights)))
        near = at + AROUND * noise.normal(size=(around, count, slots)) * (np.arange(around) > 0)[:, None, None]
        ensemble.grow(1.0 / (1.0 + np.exp(-near)))
    last = EmulatedMisfit(made, ensemble, Emulator(ensemble, targets))
    weights, cost = last.lowest(everywhere)
    print(f"last: misfit {cost:.0f}", flush=True)
    folds = range(ensemble.folds.max() + 1)
    return weights, np.array([last.lowest(ensemble.folds != f)[0] for f in folds])


def shares_of(made: Case, ensemble: Ensemble, weights: np.ndarray) -> np.ndarray:
    """Shares (site, slot) that weights give the sites of the ensemble."""
    return 1.0 / (1.0 + np.exp(-(made.model.design[ensemble.sites] @ weights)))


def main() -> None:
    """Fit, run the fit and the folds, write the overlay."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--points", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    made = open_case(arguments.plan, arguments.data)
    ensemble = Ensemble(made, arguments.out / "ensemble.npz")
    weights, folds = search(made, ensemble, arguments.points, arguments.rounds)
    fitted = ensemble.run(shares_of(made, ensemble, weights))
    blocked = ensemble.run(np.stack([shares_of(made, ensemble, folds[f])[s] for s, f in enumerate(ensemble.folds)]))
    np.savez(
        arguments.out / "simulated.npz", rows=ensemble.rows, fit=fitted, blocked=blocked, weights=weights, folds=folds
    )
    everywhere = np.full((2, made.problem.observations.value.size), np.nan)
    everywhere[:, ensemble.rows] = fitted, blocked
    scores.write(results.scored(made, everywhere[0], everywhere[1]), arguments.out / "scores.csv")
    lines = [
        f"# Made by benchmarks/ground_search.py from the plan {made.name}; {len(ensemble.shares)} members.",
        "[overlay]", f'name = "{made.name}"', f'source = "calibrated: {made.name}"',
        *results.field_lines(made, weights, f"calibrated: {made.name}"), "",
    ]  # fmt: skip
    (arguments.out / "calibrated.toml").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

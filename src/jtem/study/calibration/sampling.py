"""Draws from a log-density by NUTS (Hoffman and Gelman 2014): kernel, adaptation and diagnostics are blackjax's.

Chains run side by side, one compiled program for warming up and drawing. They move in whitened coordinates z, x = centre +
L z with L L' the covariance of a Gaussian approximation (Laplace), so that a well-determined problem looks like a standard
normal; window adaptation (Stan's schedule) learns what is left, a step size and a diagonal mass matrix a chain. Every draw
has a random key of its own number: draws in blocks of any size, and draws gone on with, are the same bits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import PyTree

from jtem.errors import InputError

CAPACITY = 200  # draws of a block at most
BLOCK_SECONDS = 8.0  # how often is told and written down, about
FIRST_STEP = 0.5  # in whitened coordinates
HALVINGS = 12  # of the distance to the centre, for a start without finite density
LARGEST_R_HAT = 1.01  # Vehtari et al. 2021, Bayesian Analysis 16, 667-718


def library() -> ModuleType:
    """The blackjax package; raises ``InputError`` where it is absent or too old."""
    try:
        import blackjax
        import blackjax.adaptation.mass_matrix
        import blackjax.adaptation.step_size
        import blackjax.adaptation.window_adaptation
        import blackjax.mcmc.hmc
        from blackjax.diagnostics import ess_bulk, rhat  # noqa: F401
    except ImportError:
        raise InputError(
            'sampling needs blackjax 1.7 or newer, which is not installed; run: pip install "jtem[calibration]"'
        ) from None
    return blackjax


@dataclass(frozen=True)
class Sampling:
    """``samples`` draws kept of each of ``chains`` chains after ``warmup`` draws. ``max_depth``: doublings of a trajectory at
    most, 2^depth - 1 gradients a draw. ``target_acceptance``: what the step size is adapted to.
    """

    samples: int
    warmup: int
    chains: int
    seed: int
    max_depth: int = 10
    target_acceptance: float = 0.8


class Draws(NamedTuple):
    """All draws so far, warming up first; plain arrays, so they can be written down and gone on with.

    ``x`` (chain, draw, coordinate), ``log_density`` (chain, draw) up to a constant, ``divergent`` (chain, draw) bool,
    ``acceptance`` (chain, draw) mean probability along the trajectory, ``gradients`` (chain, draw) evaluations of a draw.
    ``state``: leaves of the chains' and the adaptation's state. ``seconds`` drawing, ``compiling`` seconds of the last process.
    """

    x: np.ndarray
    log_density: np.ndarray
    divergent: np.ndarray
    acceptance: np.ndarray
    gradients: np.ndarray
    state: tuple[np.ndarray, ...]
    seconds: float
    compiling: float

    @property
    def number(self) -> int:
        """Draws of a chain so far, with those of the warm-up."""
        return self.x.shape[1]

    def kept(self, warmup: int) -> Draws:
        """Without the first ``warmup`` draws."""
        return self._replace(**{name: getattr(self, name)[:, warmup:] for name in SERIES})


SERIES = ("x", "log_density", "divergent", "acceptance", "gradients")


Density = Callable[..., jax.Array]
"""An unnormalised log-density (x (coordinate,), *arguments) -> ()."""
Geometry = tuple[jax.Array, jax.Array]
"""Centre (coordinate,) and factor (coordinate, coordinate) of the coordinates that chains move in."""


class _Adaptation(NamedTuple):
    step: PyTree
    mass: PyTree


def _programs(log_density: Density, settings: Sampling, size: int, dtype: DTypeLike) -> tuple[Callable, Callable]:
    """``begin`` (z, log-density, its gradient by z) -> state and ``go_on`` (state, first, count, key, geometry, arguments) ->
    state and a block of draws, of which ``count`` are made.
    """
    blackjax = library()
    kernel = blackjax.nuts.build_kernel()
    step_begin, step_update, step_final = blackjax.adaptation.step_size.dual_averaging_adaptation(
        settings.target_acceptance
    )
    mass_begin, mass_update, mass_final = blackjax.adaptation.mass_matrix.mass_matrix_adaptation(True)
    schedule = np.asarray(blackjax.adaptation.window_adaptation.build_schedule(settings.warmup))
    slow, ends = jnp.asarray(schedule[:, 0] == 1), jnp.asarray(schedule[:, 1].astype(bool))

    def whitened(geometry: Geometry, arguments: tuple) -> Callable[[jax.Array], jax.Array]:
        centre, factor = geometry
        return lambda z: log_density((centre + factor @ z).astype(dtype), *arguments).astype(z.dtype)

    def choose(wanted: jax.Array | bool, new: PyTree, old: PyTree) -> PyTree:
        return jax.tree.map(lambda a, b: jnp.where(wanted, a, b).astype(b.dtype), new, old)

    def adapt(state: _Adaptation, draw: jax.Array, position: jax.Array, acceptance: jax.Array) -> _Adaptation:
        at = jnp.minimum(draw, settings.warmup - 1)
        step = step_update(state.step, acceptance)
        mass = choose(slow[at], mass_update(state.mass, position), state.mass)
        step = choose(ends[at], step_begin(step_final(step)), step)
        mass = choose(ends[at], mass_final(mass), mass)
        return choose(draw < settings.warmup, _Adaptation(step, mass), state)

    def begin(z: jax.Array, density: jax.Array, gradient: jax.Array) -> tuple[PyTree, _Adaptation]:
        def fresh(_: jax.Array) -> PyTree:
            made = _Adaptation(step_begin(FIRST_STEP), mass_begin(size))
            return jax.tree.map(
                lambda leaf: leaf.astype(z.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf,
                jax.tree.map(jnp.asarray, made),
            )

        return blackjax.mcmc.hmc.HMCState(z, density, gradient), jax.vmap(fresh)(z)

    def one_chain(
        number: jax.Array, chain: PyTree, adaptation: _Adaptation, draw: jax.Array, key: jax.Array,
        density: Callable[[jax.Array], jax.Array],
    ) -> tuple[PyTree, _Adaptation, tuple[jax.Array, ...]]:  # fmt: skip
        mine = jax.random.fold_in(jax.random.fold_in(key, number), draw)
        warm = draw < settings.warmup
        step_size = jnp.exp(jnp.where(warm, adaptation.step.log_step_size, adaptation.step.log_step_size_avg))
        moved, told = kernel(
            mine, chain, density, step_size, adaptation.mass.inverse_mass_matrix, max_num_doublings=settings.max_depth
        )
        chain = choose(True, moved, chain)
        adaptation = adapt(adaptation, draw, chain.position, told.acceptance_rate)
        return chain, adaptation, (told.is_divergent, told.acceptance_rate, told.num_integration_steps)

    def go_on(
        state: PyTree, first: jax.Array, count: jax.Array, key: jax.Array, geometry: Geometry, arguments: tuple
    ) -> PyTree:
        density = whitened(geometry, arguments)
        centre, factor = geometry
        numbers = jnp.arange(settings.chains)

        def body(i: jax.Array, carried: PyTree) -> PyTree:
            (chains, adaptation), block = carried
            chains, adaptation, told = jax.vmap(one_chain, in_axes=(0, 0, 0, None, None, None))(
                numbers, chains, adaptation, first + i, key, density
            )
            row = (centre + chains.position @ factor.T, chains.logdensity, *told)
            block = jax.tree.map(lambda kept, new: kept.at[i].set(new.astype(kept.dtype)), block, row)
            return (chains, adaptation), block

        shape, wide = (CAPACITY, settings.chains), centre.dtype
        empty = (
            jnp.zeros((*shape, size), wide),
            jnp.zeros(shape, wide),
            jnp.zeros(shape, bool),
            jnp.zeros(shape, wide),
            jnp.zeros(shape, int),
        )
        return jax.lax.fori_loop(0, count, body, (state, empty))

    return begin, go_on


def sample(
    log_density: Density,
    centre: np.ndarray,
    covariance: np.ndarray,
    settings: Sampling,
    *,
    arguments: tuple = (),
    dtype: DTypeLike = np.float64,
    start: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None,
    resume: Draws | None = None,
    say: Callable[[str], None] | None = None,
    report: Callable[[Draws], None] | None = None,
) -> Draws:
    """Draw from ``log_density`` (x (coordinate,), *arguments) -> () by NUTS; all draws, those of the warm-up first.

    ``centre`` (coordinate,) and ``covariance`` (coordinate, coordinate), positive definite: a Gaussian near the density.
    Chains begin at draws from it, nearer to the centre where the density there is not finite. ``arguments``: arrays that the
    density reads, not compiled in. ``dtype``: of the x that the density is given. ``start``: the log-density (chain,) and
    its gradient (chain, coordinate) at x (chain, coordinate), by a program that is there already; else one is compiled.
    ``resume``: draws of the same call, gone on with to the same bits (also with more ``samples``). ``say``: told what is
    compiled. ``report``: called after each block, when the draws can be written down. Raises ``InputError`` without
    blackjax and where no density near the centre is finite.
    """
    library()
    say = say or (lambda line: None)
    size, total = centre.size, settings.warmup + settings.samples
    if resume is not None and resume.number >= total:
        return resume
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # blackjax mixes them
        begin, go_on = _programs(log_density, settings, size, dtype)
        wide = jnp.result_type(float)  # of the chains, whatever the density's: blackjax computes in JAX's default
        geometry = (jnp.asarray(centre, wide), jnp.asarray(np.linalg.cholesky(covariance), wide))
        key = jax.random.key(settings.seed)
        clock = time.perf_counter()
        if resume is None:
            if start is None:
                say("compiling the gradient of the log-density")
                start = _by_gradient(log_density, arguments, dtype)
            first = np.asarray(jax.random.normal(jax.random.fold_in(key, settings.chains), (settings.chains, size)))
            state = begin(*(jnp.asarray(part, wide) for part in _start(start, first, *map(np.asarray, geometry))))
            draws = _nothing(settings.chains, size)
        else:
            flat = jnp.zeros(settings.chains, wide)
            like = begin(jnp.zeros((settings.chains, size), wide), flat, flat)
            state = jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(leaf) for leaf in resume.state])
            draws = resume
        say("compiling the sampler")
        block = jax.jit(go_on).lower(state, 0, 0, key, geometry, arguments).compile()
        draws = draws._replace(compiling=time.perf_counter() - clock)
        say(f"compiled in {draws.compiling:.0f} s; drawing")
        clock = time.perf_counter()
        before, count = draws.seconds, 1
        while draws.number < total:
            count = min(count, total - draws.number)
            began = time.perf_counter()
            state, made = block(state, draws.number, count, key, geometry, arguments)
            made = [np.moveaxis(np.asarray(leaf)[:count], 0, 1) for leaf in made]
            now = time.perf_counter()
            joined = {
                name: np.concatenate([getattr(draws, name), part], axis=1)
                for name, part in zip(SERIES, made, strict=True)
            }
            leaves = tuple(np.asarray(leaf) for leaf in jax.tree.leaves(state))
            draws = draws._replace(**joined, state=leaves, seconds=before + now - clock)
            if report is not None:
                report(draws)
            count = int(np.clip(BLOCK_SECONDS * count / max(now - began, 1e-6), 1, CAPACITY))
    return draws


def _nothing(chains: int, size: int) -> Draws:
    flat = (chains, 0)
    return Draws(
        np.zeros((*flat, size)),
        np.zeros(flat),
        np.zeros(flat, bool),
        np.zeros(flat),
        np.zeros(flat, int),
        (),
        0.0,
        0.0,
    )


def _by_gradient(log_density: Density, arguments: tuple, dtype: DTypeLike) -> Callable:
    both = jax.jit(jax.vmap(jax.value_and_grad(log_density), in_axes=(0, *(None for _ in arguments))))

    def of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = both(jnp.asarray(x, dtype), *arguments)
        return np.asarray(value), np.asarray(slope)

    return of


def _start(of: Callable, z: np.ndarray, centre: np.ndarray, factor: np.ndarray) -> tuple[np.ndarray, ...]:
    """Points z of all chains, log-density and gradient by z, all finite; a chain without moves half-way to the centre."""
    for _ in range(HALVINGS + 1):
        value, slope = of(centre + z @ factor.T)
        good = np.isfinite(value) & np.isfinite(slope).all(axis=1)
        if good.all():
            return z, value, slope @ factor
        z = np.where(good[:, None], z, 0.5 * z)
    raise InputError("the log-density or its gradient is not finite near the best fit; sampling cannot begin there")


# --- what the draws say ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PosteriorSummary:
    """One coordinate's draws, all chains together: mean, standard deviation, 2.5, 50 and 97.5 % quantiles, rank-normalised
    split R-hat and bulk effective sample size (Vehtari et al. 2021, Bayesian Analysis 16, 667-718).
    """

    name: str
    mean: float
    standard_deviation: float
    lower: float
    median: float
    upper: float
    r_hat: float
    effective: float


def summarise(names: Sequence[str], values: np.ndarray) -> list[PosteriorSummary]:
    """One :class:`PosteriorSummary` a coordinate of ``values`` (chain, draw, coordinate), at least 2 chains and 4 draws; units
    are the values' own. R-hat and effective sample size: blackjax. Raises ``InputError`` without blackjax.
    """
    blackjax = library()
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        r_hat, effective = (
            np.asarray(jax.jit(of)(jnp.asarray(values)), dtype=np.float64).reshape(-1)
            for of in (blackjax.diagnostics.rhat, blackjax.diagnostics.ess_bulk)
        )
    flat = values.reshape(-1, values.shape[-1])
    lower, median, upper = np.quantile(flat, [0.025, 0.5, 0.975], axis=0)
    mean, deviation = flat.mean(axis=0), flat.std(axis=0, ddof=1)
    return [
        PosteriorSummary(
            name,
            *(float(part[k]) for part in (mean, deviation, lower, median, upper, r_hat, effective)),
        )
        for k, name in enumerate(names)
    ]


def warnings(draws: Draws, found: Sequence[PosteriorSummary], settings: Sampling) -> list[str]:
    """Sentences about draws without warm-up that should not be trusted as they are."""
    said = []
    divergent = int(draws.divergent.sum())
    if divergent:
        said.append(
            f"{divergent} of {draws.divergent.size} draws diverged: the density is rougher than the steps; raise "
            "target_acceptance or distrust the posterior there"
        )
    cut = int((draws.gradients >= 2**settings.max_depth - 1).sum())
    if cut:
        said.append(f"{cut} draws stopped at max_depth = {settings.max_depth}; raise it")
    apart = [one for one in found if not one.r_hat <= LARGEST_R_HAT]
    if apart:
        worst = max(apart, key=lambda one: np.inf if np.isnan(one.r_hat) else one.r_hat)
        said.append(
            f"R-hat is above {LARGEST_R_HAT} for {len(apart)} of {len(found)} coordinates (largest {worst.r_hat:.3f}, "
            f"'{worst.name}'): the chains do not agree yet; draw more samples"
        )
    return said

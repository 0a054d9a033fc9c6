"""The committee in JAX: vmap over replicas, scan over steps, compiled as a whole; runs in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from derivations.benchmarks.peer import serve


def prepare(settings: dict[str, Any]) -> Callable[[], list[list[float]]]:
    """The function that runs all steps and returns |w1|^2 and <w1, v1> of every replica."""
    import jax
    import jax.numpy as jnp
    from jax.scipy.special import erf

    size, steps, replicas = settings["n"], settings["steps"], settings["replicas"]
    start, teachers = (jnp.array(settings[key], dtype=jnp.float32) for key in ("start", "teachers"))
    rate, slope = settings["rate"] / size, (2 / jnp.pi) ** 0.5

    def step(w: Any, key: Any) -> Any:
        x = jax.random.normal(key, (size,), jnp.float32)
        local = w @ x
        error = erf(local * 0.5**0.5).sum() - erf(teachers @ x * 0.5**0.5).sum()
        return w - (rate * slope * error * jnp.exp(-0.5 * local * local))[:, None] * x

    def scanned(w: Any, keys: Any) -> Any:
        def body(w: Any, number: Any) -> Any:
            fresh = jax.vmap(lambda key: jax.random.fold_in(key, number))(keys)
            return jax.vmap(step)(w, fresh), None

        return jax.lax.scan(body, w, jnp.arange(steps))[0]

    compiled = jax.jit(scanned)
    keys = jax.random.split(jax.random.key(1), replicas)
    begin = jnp.repeat(start[None], replicas, axis=0)

    def run() -> list[list[float]]:
        w = compiled(begin, keys).block_until_ready()
        found: list[list[float]] = jnp.stack([(w[:, 0] ** 2).sum(axis=1), w[:, 0] @ teachers[0]], axis=1).tolist()
        return found

    return run


if __name__ == "__main__":
    serve(prepare)

"""How fast the engine is, against NumPy, JAX, SciPy and C: one module per group of rows, measured by `sgd-theory bench`.

A figure is never a test: the tests only check that every row can be measured, and that what is compared computes the same
thing. Every ratio is measured within one run, the two sides taking turns.
"""

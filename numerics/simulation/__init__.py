"""Simulation of SGD: what is asked for, the numbers of a run, and the two ways to run it."""

"""The shipped models: each a Python file that states a model, and what to measure on it."""

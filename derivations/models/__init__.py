"""The shipped models: each a TOML file that states a model, and what to measure on it."""

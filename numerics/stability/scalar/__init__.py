"""Scalar blocks: the roads to E log|m| and log E|m|^p, from exact to approximate."""

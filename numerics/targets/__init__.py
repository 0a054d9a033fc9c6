"""Where kernels run: one module per target, each with the functions that `Backend` lists.

A program is written once, as lines of scalar code over one trajectory; a target puts these lines into its own loop,
launches the result, and shows the machine code. Adding a target is a module here and its name in `Target`.
"""

from numerics.targets.target import Backend, Check, Local, Resources, Target, TargetUnavailable, backend

__all__ = ["Backend", "Check", "Local", "Resources", "Target", "TargetUnavailable", "backend"]

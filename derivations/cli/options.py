"""The options, each declared once: the same name, help and parsing in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from derivations.cli import completion
from derivations.model_files import Theory

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A model file (.toml or .py), or the name of a shipped model.",
        autocompletion=completion.models,
    ),
]
TheoryName = Annotated[
    Theory | None, typer.Option("--theory", help="The theory; by default the one that the model file names.")
]
At = Annotated[
    list[str] | None, typer.Option("--at", metavar="NAME=NUMBER,...", help="Numbers for symbols, as in c=0.5,n=1000.")
]
Start = Annotated[
    list[str] | None,
    typer.Option("--start", metavar="NAME=NUMBER,...", help="Where it starts, as in m=0.1,q=1, instead of the file's."),
]
Fluctuations = Annotated[
    bool,
    typer.Option("--fluctuations", help="Of a scaling limit: the stochastic equation, with the noise at finite n."),
]
Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over", metavar="NAME=LOW:HIGH:POINTS", help="An axis of the phase diagram, as in eta=0.05:2:60; give two."
    ),
]
Orders = Annotated[
    list[float] | None,
    typer.Option(
        "--order",
        metavar="P",
        help="Of stability, also the moment exponent L(P): E|theta|^P grows as exp(L t). May be repeated.",
    ),
]
Until = Annotated[float | None, typer.Option("--until", help="Last time, in units of the clock of the equations.")]
Replicas = Annotated[int | None, typer.Option("--replicas", help="Independent runs; by default as the file says.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all randomness.")]
Threads = Annotated[
    int | None,
    typer.Option("--threads", help="Worker threads; the result does not depend on it. By default all cores."),
]
TargetName = Annotated[
    str, typer.Option("--target", metavar="cpu|cuda", help="Where kernels run.", autocompletion=completion.targets)
]
PrecisionName = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="float64|float32",
        help="The format of numbers in kernels.",
        autocompletion=completion.precisions,
    ),
]
MethodName = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME[,OPTION=NUMBER]",
        help="SGD: direct, or chain (its inner products, exact in law, at a cost independent of n). Equations: "
        "DormandPrince, or RungeKutta4,steps=1000, ...",
        autocompletion=completion.methods,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="Write the result to FILE, in the format of its suffix."),
]
Latex = Annotated[
    Path | None, typer.Option("--latex", metavar="FILE", help="Also write the equations as LaTeX; - prints them alone.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print data as JSON, and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

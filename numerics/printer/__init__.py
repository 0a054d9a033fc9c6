r"""SymPy expressions as the source text of scalar Python functions that numba compiles.

    expressions -> atoms exchanged for named symbols -> numerical rewriting -> common subexpressions -> text

The text is the same in every process, so its hash is a sound cache key. Rewriting (`rewriting`) changes no value in exact
arithmetic; `scalar` says how one expression reads, `functions` how a function does, `modules` how a module of them
does, `tables` what becomes of polynomials that are too long for code of their own.

Conventions: Heaviside(0) is 1/2 unless the expression says otherwise, sign(0) = 0, `Mod` takes the sign of the divisor,
and a non-integer power of a negative number is NaN. Subexpressions shared by the branches of a `Piecewise` are evaluated
before the choice. In single precision every constant is written `real(0.5)`, where `real = np.float32` stands at the top
of the module: a bare literal would draw the arithmetic around it into double precision.
"""

from numerics.errors import PrinterError
from numerics.printer.functions import (
    STATEMENTS_FOR_EMITTER,
    ScalarCode,
    argument_names,
    operation_count,
    scalar_code,
    scalar_function,
)
from numerics.printer.modules import DECORATOR, module_source
from numerics.printer.rewriting import stable
from numerics.printer.scalar import HELPERS, Elementary, ScalarPrinter
from numerics.printer.tables import TERMS_FOR_TABLE, PolynomialTable, monomials, polynomial_table

__all__ = [
    "DECORATOR",
    "HELPERS",
    "STATEMENTS_FOR_EMITTER",
    "TERMS_FOR_TABLE",
    "Elementary",
    "PolynomialTable",
    "PrinterError",
    "ScalarCode",
    "ScalarPrinter",
    "argument_names",
    "module_source",
    "monomials",
    "operation_count",
    "polynomial_table",
    "scalar_code",
    "scalar_function",
    "stable",
]

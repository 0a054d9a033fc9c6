r"""Logarithmic potentials $U(r)=\mathbb{E}\log|x-r|$ of standard laws, for real and complex r, in closed form.

Since $U(\bar r)=U(r)$, formulas that hold in the upper half-plane only are evaluated at the reflected point.
"""

from __future__ import annotations

from collections.abc import Callable

import sympy
from sympy import Abs, Expr, I, Rational, S, factorial

from theory.laws.parameters import is_zero


def is_real(r: Expr) -> bool:
    """Whether `r` is known to be real."""
    if r.is_extended_real is None and r.is_number:
        return bool(abs(sympy.im(r.evalf(30))) < Rational(1, 10**25))
    return r.is_extended_real is True


def upper_half(r: Expr) -> Expr:
    """`r`, or its complex conjugate, whichever has a non-negative imaginary part."""
    if is_real(r):
        return r
    if r.is_number:
        return sympy.conjugate(r) if bool(sympy.im(r.evalf(30)) < 0) else r
    return sympy.re(r) + I * Abs(sympy.im(r))


def at_point(potential: Callable[[Expr], Expr], r: Expr) -> Expr:
    """`potential(r)`, with an algebraic number `r` (a radical, a root of a polynomial) left unexpanded.

    SymPy expands real parts of powers of such numbers; the result is then real only up to rounding. So the formula is
    built for symbols that are known to be real, which are replaced by the parts of `r` afterwards.
    """
    if not r.is_number or r.is_rational or all(part.is_Number for part in r.as_real_imag()):
        return potential(r)
    real_part = sympy.Dummy("a", real=True)
    if is_real(r):
        return potential(r) if r.is_extended_real else potential(real_part).xreplace({real_part: _part(sympy.re, r)})
    imaginary_part = sympy.Dummy("b", positive=True)
    parts = {real_part: _part(sympy.re, r), imaginary_part: Abs(_part(sympy.im, r))}
    return potential(real_part + I * imaginary_part).xreplace(parts)


def _part(function: type[Expr], r: Expr) -> Expr:
    return function(r, evaluate=False)


def point_potential(value: Expr, r: Expr) -> Expr:
    r"""$\log|value-r|$, which is $-\infty$ where the two coincide."""
    distance = value - r
    return S.NegativeInfinity if is_zero(distance) else sympy.log(Abs(distance))


def gaussian_potential(r: Expr) -> Expr:
    r"""For N(0, 1), with r in the closed upper half-plane:

    $U(r)=-\frac{\gamma+\log2}2+\Re\big[\frac{r^2}2{}_2F_2(1,1;\frac32,2;-\frac{r^2}2)\big]
    +\frac\pi2\Im\,\mathrm{erf}\frac r{\sqrt2}$,
    the error function written as $\sqrt{\frac2\pi}\,r\,{}_1F_1(\frac12;\frac32;-\frac{r^2}2)$:
    SymPy splits `erf` of a complex number into parts whose numerical values are real only up to rounding.
    """
    constant = -(sympy.EulerGamma + sympy.log(2)) / 2
    point = upper_half(r)
    series = point**2 / 2 * sympy.hyper((1, 1), (Rational(3, 2), 2), -(point**2) / 2)
    if is_real(r):
        return constant + series
    error_function = point * sympy.hyper((Rational(1, 2),), (Rational(3, 2),), -(point**2) / 2)
    return constant + sympy.re(series) + sympy.sqrt(sympy.pi / 2) * sympy.im(error_function)


def uniform_potential(r: Expr) -> Expr:
    r"""For the uniform law on (0, 1): $\Re[(1-r)\log(1-r)+r\log(-r)]-1$."""
    real = is_real(r)

    def term(distance: Expr) -> Expr:
        if is_zero(distance):
            return S.Zero
        return distance * sympy.log(Abs(distance)) if real else sympy.re(distance * sympy.log(distance))

    return term(1 - r) - term(-r) - 1


def student_coefficients(k: int) -> list[Expr]:
    r"""$c_n=\frac{k!}{(2k)!}\frac{(2k-n)!}{(k-n)!\,n!}2^n$ for $0\le n\le k$, of the Student law with 2k+1 degrees.

    Its characteristic function is $e^{-q|t|}\sum_n c_n(q|t|)^n$ with $q=\sqrt{2k+1}$.
    """
    return [
        factorial(k) * factorial(2 * k - n) * 2**n / (factorial(2 * k) * factorial(k - n) * factorial(n))
        for n in range(k + 1)
    ]


def student_potential(k: int, r: Expr) -> Expr:
    r"""For the Student law with 2k+1 degrees of freedom (k = 0: Cauchy), with $w=r+iq$, $q=\sqrt{2k+1}$.

    $U(r)=\Re\big[\log w-\sum_{n=1}^kc_nq^n\frac{(n-1)!}{(-iw)^n}\big]$ for $\Im r\ge0$.
    """
    q = sympy.sqrt(2 * k + 1)
    w = upper_half(r) + I * q
    coefficients = student_coefficients(k)
    rest = [coefficients[n] * q**n * factorial(n - 1) * sympy.re((I / w) ** n) for n in range(1, k + 1)]
    modulus = sympy.log(r**2 + q**2) / 2 if is_real(r) else sympy.log(Abs(w))
    return modulus - sympy.Add(*rest)


LARGEST_SHAPE = 40
"""The largest whole shape of a Gamma law whose potential, a sum of about k^2/2 terms, is written down."""


def gamma_potential(shape: Expr, r: Expr) -> Expr | None:
    r"""For the Gamma law of shape k and scale 1; None if it is not known whether k is an integer, and for an integer above 40.

    Integer k, with $E=e^{-r}E_1(-r)$:
    $U(r)=\Re\big[\log(-r)+\sum_{j<k}\frac1{j!}\big(r^jE+\sum_{i<j}i!\,r^{j-1-i}\big)\big]$.
    Any other k: $U(r)=\psi(k)+\Re\big[\frac r{1-k}{}_2F_2(1,1;2,2-k;-r)
    +\Gamma(1-k)\frac{(-r)^k}k{}_1F_1(k;k+1;-r)\big]$, from
    $\frac d{ds}\mathbb{E}\log(x+s)=s^{k-1}e^s\Gamma(1-k,s)$; for half-integer k and r > 0 the last term vanishes.
    """
    if is_zero(r):
        return sympy.digamma(shape)
    if shape.is_Integer:
        return _integer_gamma_potential(int(shape), r) if shape <= LARGEST_SHAPE else None
    if shape.is_integer is not False:
        return None
    regular = r / (1 - shape) * sympy.hyper((1, 1), (2, 2 - shape), -r)
    branch = (-r) ** shape * sympy.hyper((shape,), (shape + 1,), -r)
    if is_real(r):
        if r.is_positive:
            branch = sympy.cos(sympy.pi * shape) * r**shape * sympy.hyper((shape,), (shape + 1,), -r)
        elif not r.is_negative:
            branch = sympy.re(branch)
    else:
        regular, branch = sympy.re(regular), sympy.re(branch)
    return sympy.digamma(shape) + regular + sympy.gamma(1 - shape) / shape * branch


def _integer_gamma_potential(k: int, r: Expr) -> Expr:
    if is_real(r):
        leading, decaying = sympy.log(Abs(r)), -sympy.exp(-r) * sympy.Ei(r)
    else:
        leading, decaying = sympy.log(-r), sympy.exp(-r) * sympy.expint(1, -r)
    terms = [
        (r**j * decaying + sympy.Add(*(factorial(i) * r ** (j - 1 - i) for i in range(j)))) / factorial(j)
        for j in range(k)
    ]
    total = leading + sympy.Add(*terms)
    return total if is_real(r) else sympy.re(total)

"""What the commands of LaTeX stand for, and the letters of mathematical alphabets."""

from __future__ import annotations

LETTERS = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ϵ", "varepsilon": "ε", "zeta": "ζ", "eta": "η",
    "theta": "θ", "vartheta": "ϑ", "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π",
    "rho": "ρ", "sigma": "σ", "tau": "τ", "upsilon": "υ", "phi": "ϕ", "varphi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω",
    "Gamma": "Γ", "Delta": "Δ", "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ",
    "Psi": "Ψ", "Omega": "Ω", "ell": "ℓ", "infty": "∞", "hbar": "ℏ", "partial": "∂", "nabla": "∇", "emptyset": "∅",
    "ldots": "…", "dots": "…", "cdots": "⋯", "vdots": "⋮", "ddots": "⋱", "Re": "ℜ", "Im": "ℑ",
}  # fmt: skip
OPERATORS = {
    "sim": "∼", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "equiv": "≡", "to": "→",
    "rightarrow": "→", "leftarrow": "←", "Rightarrow": "⇒", "mapsto": "↦", "in": "∈", "notin": "∉", "subset": "⊂",
    "cup": "∪", "cap": "∩", "wedge": "∧", "vee": "∨", "neg": "¬", "cdot": "⋅", "times": "×", "pm": "±", "mp": "∓",
    "propto": "∝", "circ": "∘", "otimes": "⊗", "oplus": "⊕", "odot": "⊙", "mid": "∣", "langle": "⟨", "rangle": "⟩",
    "lfloor": "⌊", "rfloor": "⌋", "lceil": "⌈", "rceil": "⌉", "{": "{", "}": "}", "lbrace": "{", "rbrace": "}", "|": "‖",
    "Vert": "‖", "vert": "|", "lvert": "|", "rvert": "|", "forall": "∀", "exists": "∃", "ll": "≪", "gg": "≫", "colon": ":",
    "setminus": "∖", "ast": "∗", "star": "⋆", "prime": "′", "dagger": "†", "_": "_", "%": "%", "#": "#", "&": "&", "$": "$",
}  # fmt: skip
LARGE = {"int": "∫", "sum": "∑", "prod": "∏", "oint": "∮"}
NAMES = frozenset(
    {"sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth", "arcsin", "arccos", "arctan", "log", "ln", "exp",
     "min", "max", "det", "dim", "lim", "sup", "inf", "Pr", "arg", "gcd", "ker", "deg"}
)  # fmt: skip
SPACES = {",": 0.167, ":": 0.222, ";": 0.278, " ": 0.25, "!": 0.0, "quad": 1.0, "qquad": 2.0, "~": 0.25}
ACCENTS = {
    "hat": "^",
    "widehat": "^",
    "tilde": "~",
    "widetilde": "~",
    "dot": "˙",
    "vec": "→",
}
TEXTS = frozenset(
    {"text", "mathrm", "operatorname", "textrm", "mbox", "mathtt", "texttt", "mathsf", "textit", "mathit"}
)
ALPHABETS = frozenset({"mathbf", "boldsymbol", "mathbb", "mathcal", "mathscr", "bm"})
IGNORED = frozenset(
    {"displaystyle", "textstyle", "limits", "nolimits", "big", "Big", "bigl", "bigr", "Bigl", "Bigr", "middle"}
)
FENCED = {
    "matrix": ("", ""),
    "smallmatrix": ("", ""),
    "pmatrix": ("(", ")"),
    "bmatrix": ("[", "]"),
    "cases": ("{", ""),
}
BOLD = (("A", "Z", 0x1D400), ("a", "z", 0x1D41A), ("Α", "Ω", 0x1D6A8), ("α", "ω", 0x1D6C2), ("0", "9", 0x1D7CE))
UNLIKE = {"C": "ℂ", "H": "ℍ", "N": "ℕ", "P": "ℙ", "Q": "ℚ", "R": "ℝ", "Z": "ℤ"}
SCRIPT = {"B": "ℬ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "I": "ℐ", "L": "ℒ", "M": "ℳ", "R": "ℛ"}


def in_alphabet(letter: str, alphabet: str) -> str:
    """A letter as the character of a mathematical alphabet, where there is one."""
    if alphabet in ("mathbf", "boldsymbol", "bm"):
        for first, last, start in BOLD:
            if first <= letter <= last:
                return chr(start + ord(letter) - ord(first))
    if alphabet == "mathbb" and "A" <= letter <= "Z":
        return UNLIKE.get(letter, chr(0x1D538 + ord(letter) - ord("A")))
    if alphabet in ("mathcal", "mathscr") and "A" <= letter <= "Z":
        return SCRIPT.get(letter, chr(0x1D49C + ord(letter) - ord("A")))
    return letter

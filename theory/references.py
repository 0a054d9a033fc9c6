"""The sources that derivations build on, with their BibTeX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Reference:
    """A publication: `key` of the BibTeX entry, `authors` joined by ' and ', `title`, `year`, `arxiv` or `journal`."""

    key: str
    authors: str
    title: str
    year: int
    arxiv: str = ""
    journal: str = ""

    def bibtex(self) -> str:
        """The BibTeX entry."""
        lines = [
            f"@article{{{self.key},",
            f"  author = {{{self.authors}}},",
            f"  title = {{{self.title}}},",
            f"  year = {{{self.year}}},",
        ]
        if self.arxiv:
            lines += [f"  eprint = {{{self.arxiv}}},", "  archivePrefix = {arXiv},"]
        if self.journal:
            lines.append(f"  journal = {{{self.journal}}},")
        return "\n".join([*lines, "}"])

    def content(self) -> tuple[Any, ...]:
        """What identifies the reference."""
        return (self.key,)

    def __str__(self) -> str:
        source = f"arXiv:{self.arxiv}" if self.arxiv else self.journal
        return f"{self.authors}, {self.title} ({self.year}), {source}"


EFFECTIVE_DYNAMICS = Reference(
    "benarous2022high",
    "Ben Arous, Gerard and Gheissari, Reza and Jagannath, Aukosh",
    "High-dimensional limit theorems for SGD: Effective dynamics and critical scaling",
    2022,
    arxiv="2206.04030",
)
SOFT_COMMITTEE = Reference(
    "saad1995online",
    "Saad, David and Solla, Sara A.",
    "On-line learning in soft committee machines",
    1995,
    journal="Physical Review E 52, 4225",
)
STEPSIZE_CRITICALITY = Reference(
    "paquette2021sgd",
    "Paquette, Courtney and Lee, Kiwon and Pedregosa, Fabian and Paquette, Elliot",
    "SGD in the Large: Average-case Analysis, Asymptotics, and Stepsize Criticality",
    2021,
    arxiv="2102.04396",
)
MOMENTUM_LIMITS = Reference(
    "jagannath2025momentum",
    "Jagannath, Aukosh and Jones-McCormick, Taj and Sarangian, Varnan",
    "High-dimensional limit theorems for SGD: Momentum and Adaptive Step-sizes",
    2025,
    arxiv="2511.03952",
)
FINITE_LEARNING_RATE = Reference(
    "liu2020noise",
    "Liu, Kangqiao and Ziyin, Liu and Ueda, Masahito",
    "Noise and Fluctuation of Finite Learning Rate Stochastic Gradient Descent",
    2020,
    arxiv="2012.03636",
)
MINIBATCH_NOISE = Reference(
    "ziyin2021strength",
    "Ziyin, Liu and Liu, Kangqiao and Mori, Takashi and Ueda, Masahito",
    "Strength of Minibatch Noise in SGD",
    2021,
    arxiv="2102.05375",
)
MEAN_SQUARE_STABILITY = Reference(
    "mulayoff2023exact",
    "Mulayoff, Rotem and Michaeli, Tomer",
    "Exact Mean Square Linear Stability Analysis for SGD",
    2023,
    arxiv="2306.07850",
)
PROBABILISTIC_STABILITY = Reference(
    "ziyin2023probabilistic",
    "Ziyin, Liu and Li, Botao and Galanti, Tomer and Ueda, Masahito",
    "The Probabilistic Stability of Stochastic Gradient Descent",
    2023,
    arxiv="2303.13093",
)
INTERPOLATING_MINIMA = Reference(
    "chemnitz2024characterizing",
    "Chemnitz, Dennis and Engel, Maximilian",
    "Characterizing Dynamical Stability of Stochastic Gradient Descent in Overparameterized Learning",
    2024,
    arxiv="2407.20209",
)
STOCHASTIC_COLLAPSE = Reference(
    "chen2023stochastic",
    "Chen, Feng and Kunin, Daniel and Yamamura, Atsushi and Ganguli, Surya",
    "Stochastic Collapse: How Gradient Noise Attracts SGD Dynamics Towards Simpler Subnetworks",
    2023,
    arxiv="2306.04251",
)
HEAVY_TAILS = Reference(
    "gurbuzbalaban2020heavy",
    "Gurbuzbalaban, Mert and Simsekli, Umut and Zhu, Lingjiong",
    "The Heavy-Tail Phenomenon in SGD",
    2020,
    arxiv="2006.04740",
)
ISOTROPIC_PRODUCTS = Reference(
    "newman1986distribution",
    "Newman, Charles M.",
    "The distribution of Lyapunov exponents: exact results for random matrices",
    1986,
    journal="Communications in Mathematical Physics 103, 121",
)
GENERALISED_EXPONENTS = Reference(
    "vanneste2010estimating",
    "Vanneste, Jacques",
    "Estimating generalized Lyapunov exponents for products of random matrices",
    2010,
    journal="Physical Review E 81, 036701",
)
QR_ITERATION = Reference(
    "benettin1980lyapunov",
    "Benettin, Giancarlo and Galgani, Luigi and Giorgilli, Antonio and Strelcyn, Jean-Marie",
    "Lyapunov characteristic exponents for smooth dynamical systems and for Hamiltonian systems; a method for computing all of them",
    1980,
    journal="Meccanica 15, 9",
)

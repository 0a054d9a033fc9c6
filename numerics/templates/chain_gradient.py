r"""Code that draws the batch gradient of one step in the coordinates of a frame.

Every gradient is a combination of vectors of the frame, of Gaussian data vectors and of gradients of Gaussian fields. Their
components along the frame are drawn sample by sample. Across it there are two ways:

- *by vectors*: the components of the data vectors themselves are drawn, in a frame of their own. Needed where the
  coefficients hold inner products of data vectors, cheap where there are fewer data vectors than trained ones. In a batch the
  running sum of the gradients is carried along, and the next sample is drawn in the frame that it has extended.
- *by gradients*: given its coefficients the batch gradient is Gaussian across the frame, with the covariance

      S_ij = sum over samples and data vectors z of var(z) a_iz a_jz + sum over fields F of a_iF a_jF kappa'_F(<p_i, p_j>)

  per dimension, so that its inner products are a Wishart matrix: one factor of S and one Bartlett triangle for a whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from numerics.templates.chain_field import ChainField
from numerics.templates.chain_state import ChainState
from numerics.templates.coordinates import CANCELLATION, Code, Draws, Extension, Row
from theory.errors import FieldOrder
from theory.fields import FieldGradient, FieldValue
from theory.vectors import InnerProduct, Vector


class GradientCode:
    """The code of one batch gradient.

    `lines` leave the sum over the batch in rows `g` and scalars `slope_k`, and in `magnitude` a number that is finite if
    all coefficients are. `columns` : by how many coordinates the gradient extends the frame. `deviations` : the variables that
    hold the standard deviations of data vectors, where these are not 1.
    """

    def __init__(self, state: ChainState, *, single: bool) -> None:
        self.state, self.code, self.single = state, state.code, single
        self.count = len(state.trained)
        self.coefficients = [
            (i, b, c) for i, w in enumerate(state.trained) for b, c in state.gradient.vectors[w].items()
        ]
        self.outputs = [c for _, _, c in self.coefficients] + [state.gradient.scalars[s] for s in state.scalars]
        self._refuse_field_values()
        self.deviations = {z: f"deviation_{k}" for k, z in enumerate(state.gaussians) if state.gaussians[z] != 1}
        self.vectors = len(state.gaussians)
        self.fields: list[ChainField] = []
        for number, (field, points) in enumerate(state.points.items()):
            self.fields.append(ChainField(state, number, field, self.vectors))
            self.vectors += len(points)
        room = state.shape.degrees
        between = any(set(p.args) <= set(state.gaussians) for c in self.outputs for p in c.atoms(InnerProduct))
        self.by_vectors = between or (single and self.vectors <= self.count)
        self.running = 0 if single or not self.by_vectors else min(self.count, room)
        self.member = Extension(state.shape.size + self.running, room - self.running if self.by_vectors else 0)
        added = self.member.columns(self.vectors)
        self.columns = (added if single else self.running) if self.by_vectors else min(self.count, room)
        self.width = state.shape.size + self.running + added if self.by_vectors else state.shape.size + self.columns
        self.radii = added if self.by_vectors else self.columns
        self._declare()

    def _refuse_field_values(self) -> None:
        if any(e.atoms(FieldValue) for e in self.outputs):
            raise FieldOrder(
                "a Gaussian field enters the loss non-linearly; its gradient is drawn in law only for a loss that is "
                "affine in the field"
            )

    def _declare(self) -> None:
        drawn = self.member.base + self.member.columns(self.vectors)
        self.code.declare("z", self.vectors, drawn)
        self.code.declare("g", self.count, self.width)
        if self.code.unrolled:
            return
        if not self.by_vectors:
            for name in ("covariance", "factor"):
                self.code.declare(name, self.count, self.count)
            self.code.declare("triangle", self.count, self.columns)
        if self.fields:
            self.code.declare("slopes", self.vectors, drawn)

    # ------------------------------------------------------------------------------------------------------ the whole step

    def lines(self) -> Code:
        """The statements, from the draws of the first sample to the gradient of the batch."""
        lines = [
            *self.code.clear("g", self.count, 0, self.width),
            *(f"slope_{k} = real(0.0)" for k in range(len(self.state.scalars))),
            *(f"{entry} = real(0.0)" for entry in self._covariance_entries().values()),
            "magnitude = real(0.0)",
        ]
        member = self._member()
        if self.single:
            lines += ["member = 0", *member]
        else:
            lines += ["for member in range(batch):", *(f"    {line}" for line in member)]
        return [*lines, *([] if self.by_vectors else self._wishart())]

    def _member(self) -> Code:
        """One sample: its draws, its coefficients, and its gradient added to the sum."""
        blocks = -(-self._normals() // 4)
        draws = Draws("z", "DATA_PURPOSE", "RADIUS_PURPOSE", self.state.precision, position=f"{blocks} * member",
                      degrees=f"degrees - {self.running}", radii=f"{self.radii} * member")  # fmt: skip
        scales = [self.deviations.get(z, "") for z in self.state.gaussians]
        statements, rows = self.code.gaussian("z", self.vectors, self.member, draws, scales)
        drawn = dict(zip(self.state.gaussians, rows, strict=False))
        products, call = self.state.call("gradient_coefficients", self.outputs, drawn, shifted=True)
        names = [f"coefficient_{k}" for k in range(len(self.outputs))]
        lines = [*self._purpose(), *self.state.sample.statements, *self.state.centres(), *statements, *products]
        lines.append(f"{', '.join(names)}{',' * (len(names) == 1)} = {call}")
        lines.append(f"magnitude += abs({' + '.join(names)})")
        slopes: dict[Vector, Row] = {}
        for field in self.fields:
            field_lines, found = field.lines(rows)
            lines += field_lines
            slopes.update(found)
        return [*lines, *self._added(names, {**drawn, **slopes})]

    def _normals(self) -> int:
        columns = self.member.columns(self.vectors)
        return sum(self.member.base + min(k, columns) for k in range(self.vectors))

    def _purpose(self) -> Code:
        return ["purpose = SCALAR_PURPOSE"] if self.state.sample.statements else []

    def _added(self, names: Sequence[str], drawn: Mapping[Vector, Row]) -> Code:
        """Add the gradient of one sample to the sums."""
        lines: Code = []
        for i in range(self.count):
            terms = [
                (names[k], self.state.row(b, drawn, shifted=b in self.state.trained))
                for k, (j, b, _) in enumerate(self.coefficients)
                if j == i
            ]
            lines += self.code.add(self.code.row("g", i, self.width), terms)
        first = len(self.coefficients)
        lines += [f"slope_{k} += {names[first + k]}" for k in range(len(self.state.scalars))]
        lines += self._covariance(names)
        if self.running and self.member.columns(self.vectors):
            lines += self.code.reduced("g", self.count, self.state.shape.size, self.width)
        return lines

    # -------------------------------------------------------------------------------------------------- Wishart matrices

    def _covariance_entries(self) -> dict[tuple[int, int], str]:
        """The lower triangle of S."""
        if self.by_vectors:
            return {}
        return {(i, j): self.code.at("covariance", i, j) for i in range(self.count) for j in range(i + 1)}

    def _covariance(self, names: Sequence[str]) -> Code:
        """Add the share of one sample to S."""
        weights: dict[Vector, dict[int, str]] = {}
        for k, (i, b, _) in enumerate(self.coefficients):
            weights.setdefault(b, {})[i] = names[k]
        lines = []
        for (i, j), entry in self._covariance_entries().items():
            terms = [
                " * ".join(
                    [*([f"{self.deviations[z]} * {self.deviations[z]}"] if z in self.deviations else []), a[i], a[j]]
                )
                for z, a in weights.items()
                if z in self.state.gaussians and i in a and j in a
            ]
            for field in self.fields:
                if i in field.points and j in field.points:
                    left, right = (weights[FieldGradient(field.field, self.state.trained[m])][m] for m in (i, j))
                    terms.append(f"{left} * {right} * {field.kernel(i, j)}")
            if terms:
                lines.append(f"{entry} += {' + '.join(terms)}")
        return lines

    def _wishart(self) -> Code:
        """The component of the batch gradient across the frame: a factor of S times Bartlett's triangle."""
        count, base, columns = self.count, self.state.shape.size, self.columns
        if not columns:
            return []
        draws = Draws("t", "TRIANGLE_PURPOSE", "RADIUS_PURPOSE", self.state.precision)
        lines, rows = self.code.gaussian("triangle", count, Extension(0, columns), draws)
        lines = ["member = 0", *lines, *self._factor()]
        if not self.code.unrolled:
            return [
                *lines,
                f"for i in range({count}):",
                f"    for j in range({columns}):",
                f"        g[i, {base} + j] = real(0.0)",
                f"        for k in range({count}):",
                f"            g[i, {base} + j] += factor[i, k] * triangle[k, j]",
            ]
        for i in range(count):
            for j in range(columns):
                parts = [f"factor_{i}_{k} * {rows[k].entry(j)}" for k in range(i + 1) if j < rows[k].size]
                lines += [f"g_{i}_{base + j} = {' + '.join(parts)}"] if parts else []
        return lines

    def _factor(self) -> Code:
        """A factor of S; what is rounding counts as zero, so that equal gradients stay equal."""
        tolerance = CANCELLATION * self.state.precision.epsilon
        if not self.code.unrolled:
            return [f"semidefinite_factor(covariance, factor, real({tolerance!r}))"]
        lines: Code = []
        for j in range(self.count):
            below = "".join(f" - factor_{j}_{k} * factor_{j}_{k}" for k in range(j))
            lines += [
                f"pivot = covariance_{j}_{j}{below}",
                f"pivot = pivot if pivot > real({tolerance!r}) * covariance_{j}_{j} else real(0.0)",
                f"factor_{j}_{j} = math.sqrt(pivot)",
            ]
            if j < self.count - 1:
                lines.append(f"pivot = real(1.0) / factor_{j}_{j} if pivot > real(0.0) else real(0.0)")
            for i in range(j + 1, self.count):
                below = "".join(f" - factor_{i}_{k} * factor_{j}_{k}" for k in range(j))
                lines.append(f"factor_{i}_{j} = (covariance_{i}_{j}{below}) * pivot")
        return lines

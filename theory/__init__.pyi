"""Everything that `from theory import ...` offers; read by type checkers and by `theory.lazy`."""

from theory.algorithm import (
    GD as GD,
    SGD as SGD,
    DecoupledDecay as DecoupledDecay,
    HeavyBall as HeavyBall,
    Nesterov as Nesterov,
    NesterovLookahead as NesterovLookahead,
    Sampling as Sampling,
    SoftThreshold as SoftThreshold,
    Sphere as Sphere,
    bernoulli as bernoulli,
    persistent as persistent,
)
from theory.calculus import gradient as gradient, one_step_increment as one_step_increment
from theory.equations import (
    ODE as ODE,
    SDE as SDE,
    Assumption as Assumption,
    Boundary as Boundary,
    Clock as Clock,
    Equations as Equations,
    RandomMap as RandomMap,
    Recurrence as Recurrence,
    Status as Status,
    Step as Step,
)
from theory.errors import (
    AlgorithmNotCovered as AlgorithmNotCovered,
    DataNormInGradient as DataNormInGradient,
    DerivationError as DerivationError,
    DimensionMismatch as DimensionMismatch,
    DuplicateName as DuplicateName,
    FieldOrder as FieldOrder,
    HierarchyNotClosed as HierarchyNotClosed,
    ImpossibleStart as ImpossibleStart,
    InvalidAlgorithm as InvalidAlgorithm,
    InvalidData as InvalidData,
    InvalidLaw as InvalidLaw,
    InvalidRequest as InvalidRequest,
    MissingValue as MissingValue,
    ModelError as ModelError,
    MomentDiverges as MomentDiverges,
    MomentDoesNotExist as MomentDoesNotExist,
    NeutralDirection as NeutralDirection,
    NonGaussianData as NonGaussianData,
    NonPolynomialUpdate as NonPolynomialUpdate,
    NotClosed as NotClosed,
    NotDimensionFree as NotDimensionFree,
    NotReal as NotReal,
    NotStationary as NotStationary,
    SamplingNotCovered as SamplingNotCovered,
    StartUnderdetermined as StartUnderdetermined,
    SupercriticalStep as SupercriticalStep,
    TheoryError as TheoryError,
    UnequalBatches as UnequalBatches,
    UnknownSymbol as UnknownSymbol,
    UnknownValue as UnknownValue,
    UnsupportedExpectation as UnsupportedExpectation,
    ValuesError as ValuesError,
)
from theory.expectation import (
    GaussianQuadrature as GaussianQuadrature,
    Quadrature as Quadrature,
    expectation as expectation,
)
from theory.fields import FieldGradient as FieldGradient, FieldValue as FieldValue, GaussianField as GaussianField
from theory.laws import (
    Cauchy as Cauchy,
    Density as Density,
    Discrete as Discrete,
    Empirical as Empirical,
    Exponential as Exponential,
    Gamma as Gamma,
    Mixture as Mixture,
    Normal as Normal,
    Rademacher as Rademacher,
    Sampler as Sampler,
    StudentT as StudentT,
    Uniform as Uniform,
)
from theory.model import Model as Model
from theory.moments import (
    Moment as Moment,
    MomentRecurrence as MomentRecurrence,
    moments as moments,
    stationary as stationary,
)
from theory.networks import (
    MLP as MLP,
    Attention as Attention,
    Linear as Linear,
    Matrix as Matrix,
    erf as erf,
    relu as relu,
    sigmoid as sigmoid,
    softplus as softplus,
    swish as swish,
    tanh as tanh,
)
from theory.scaling import ScalingLimit as ScalingLimit, scaling_limit as scaling_limit
from theory.stability import (
    Block as Block,
    ExponentKind as ExponentKind,
    Stability as Stability,
    fixed_points as fixed_points,
    stability as stability,
)
from theory.stability.fixed_point import (
    NotDifferentiable as NotDifferentiable,
    NotNoiseFreeFixedPoint as NotNoiseFreeFixedPoint,
)
from theory.stability.invariant_sets import (
    InvariantSet as InvariantSet,
    Symmetry as Symmetry,
    invariant_sets as invariant_sets,
    transverse_map as transverse_map,
    transverse_stability as transverse_stability,
)
from theory.update import random_map as random_map
from theory.vectors import (
    InnerProduct as InnerProduct,
    LinearCombination as LinearCombination,
    Vector as Vector,
    dot as dot,
    symbols as symbols,
    vectors as vectors,
)

__version__: str

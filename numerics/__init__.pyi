"""Everything that `from numerics import ...` offers; read by type checkers and by `theory.lazy`."""

from numerics.compare import (
    Agreement as Agreement,
    Verdict as Verdict,
    compare as compare,
    fit_exponent as fit_exponent,
    holm as holm,
)
from numerics.fates import Fate as Fate, fates as fates
from numerics.figures import (
    plot_agreement as plot_agreement,
    plot_dataset as plot_dataset,
    plot_phase_diagram as plot_phase_diagram,
)
from numerics.generate import generate as generate
from numerics.kernel import Kernel as Kernel
from numerics.lyapunov import linear_growth as linear_growth, lyapunov_spectrum as lyapunov_spectrum
from numerics.precision import Precision as Precision
from numerics.simulate import Method as Method, simulate as simulate
from numerics.solve import solve as solve, spectral_radius as spectral_radius, stationary as stationary
from numerics.solve.maps import iterate_random_map as iterate_random_map, solve_map_ensemble as solve_map_ensemble
from numerics.solve.methods import (
    DormandPrince as DormandPrince,
    DormandPrince853 as DormandPrince853,
    EulerMaruyama as EulerMaruyama,
    Milstein as Milstein,
    RungeKutta4 as RungeKutta4,
    SmallNoise as SmallNoise,
    Stiff as Stiff,
)
from numerics.stability.certificates import certificates as certificates
from numerics.stability.chernoff import ChernoffBound as ChernoffBound, chernoff_bound as chernoff_bound
from numerics.stability.hill import hill_estimate as hill_estimate
from numerics.stability.mean_square import (
    MeanSquareThreshold as MeanSquareThreshold,
    mean_square_threshold as mean_square_threshold,
)
from numerics.stability.moment_exponents import log_variance as log_variance, moment_exponents as moment_exponents
from numerics.stability.phase_diagram import phase_diagram as phase_diagram
from numerics.stability.proofs.evidence import Certificate as Certificate, Rigour as Rigour
from numerics.stability.tail_index import (
    Tail as Tail,
    TailIndex as TailIndex,
    TailIndices as TailIndices,
    tail_index as tail_index,
)
from numerics.stability.thresholds import StableSet as StableSet, Thresholds as Thresholds, thresholds as thresholds
from numerics.stability.transverse import transverse_exponents as transverse_exponents
from numerics.targets import Resources as Resources, Target as Target, TargetUnavailable as TargetUnavailable

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
from numerics.stability.phase_diagram import phase_diagram as phase_diagram
from numerics.stability.thresholds import StableSet as StableSet, Thresholds as Thresholds, thresholds as thresholds
from numerics.targets import Resources as Resources, Target as Target, TargetUnavailable as TargetUnavailable

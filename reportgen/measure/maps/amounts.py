"""Does a map say how much? The rank correlation of its cells, signed, with the falls of the score as each of
them alone is blurred; beside it what other images' maps reach by the same method, and a centred Gaussian.

The single-deletion score of Hesse et al. 2024 (arXiv:2407.11910), from Selvaraju et al. 2017. A blurred cell
is out of the training's domain, as every deletion is.
"""

from __future__ import annotations

from reportgen.findings import Array
from reportgen.measure.maps.asking import Asking, ByMethod
from reportgen.measure.maps.deletions import Taken
from reportgen.measure.maps.likeness import mean_of
from reportgen.stats import unit_ranks

OTHERS = 5  # images whose maps are tried in the place of an image's own


def says_how_much(asking: Asking, taken: Taken) -> ByMethod:
    """ρ of each map's cells with the falls, with those of `others` and with a centred `gaussian`."""
    middle = unit_ranks(taken.gaussian.numpy())
    falls = [unit_ranks(several.double().numpy()) for several in taken.falls]
    found: ByMethod = {}
    for name, cells in taken.cells.items():
        known = asking.others.cells[name]
        found[name] = {}
        for row, place in enumerate(asking.batch.places):
            turned = [other for other in asking.others.after(place) if other in known][:OTHERS]
            found[name][row] = {
                "rho": _rho(unit_ranks(cells[row].double().numpy()), falls[row]),
                "others": mean_of([_rho(known[other], falls[row]) for other in turned]),
                "gaussian": _rho(middle, falls[row]),
            }
    return found


def _rho(ranks: Array | None, other: Array | None) -> float | None:
    return None if ranks is None or other is None else float(ranks @ other)

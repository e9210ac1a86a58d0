"""What came before a run: the baseline that it is held against, and the history that it goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from typing_extensions import Self

from reportgen.audit.compare.comparison import Comparison
from reportgen.audit.compare.kept import MapsBefore, compared_with, keep
from reportgen.audit.compare.limits import compares
from reportgen.audit.compare.sides import Side, read_side, still_there, told_apart
from reportgen.audit.history import Past, history, past_of, read_history
from reportgen.audit.results import results
from reportgen.errors import InputError, RecipeError
from reportgen.evidence import Evidence
from reportgen.measure import earlier
from reportgen.recipe import Recipe
from reportgen.shown import named


@dataclass(frozen=True)
class Before:
    """An earlier audit, where there is one, and the audits of the history, which are read before anything is
    measured: the run may replace them."""

    side: Side | None
    folder: Path | None  # of the earlier audit, wherever a link to it leads later
    past: list[Past] | None
    gates: Sequence[Mapping[str, object]]
    answers: Mapping[str, str] = field(default_factory=dict)  # of the earlier audit, by image

    @classmethod
    def of(cls, recipe: Recipe, baseline: Path | None, out: Path) -> Self:
        """Reads what the recipe and the command name. Raises RecipeError where it cannot be used."""
        place = baseline.resolve() if baseline is not None else None
        side = _side(baseline, place)
        past = None
        if recipe.history is not None:
            past = read_history(recipe.folder / recipe.history, named(recipe.title), out)
        gates = [gate.model_dump(mode="json") for gate in recipe.gates]
        return cls(side, place, past, gates, earlier.answers(side.records) if side else {})

    def unasked(self, recipe: Recipe) -> Iterator[str]:
        """The limits on changes that nothing can be held against."""
        limits = [gate for gate in self.gates if compares(gate)]
        if limits and self.side is None:
            named = ", ".join(str(gate.get("diff") or gate["metric"]) for gate in limits)
            yield f"not asked, as there is no baseline (--baseline DIR): {named}"

    def keep(self, evidence: Path, out: Path) -> None:
        """Compares the sealed evidence of the run whose report goes to `out`, and keeps all that its report
        needs."""
        keep(evidence, None, (), None)  # what an earlier run of another baseline left
        if self.side is None and self.past is None:
            return
        found = Evidence(evidence)
        draft = results(found)
        comparison: Comparison | None = None
        maps: list[MapsBefore] = []
        if self.side is not None and self.folder is not None:
            # hours have passed: its evidence may be gone
            new, old = Side(out.name, draft, found), still_there(self.side)
            old, new = told_apart(old, new, self.folder, out)
            comparison, maps = compared_with(new, old, self.gates)
        gates = [*draft["gates"], *(comparison["gates"] if comparison else ())]
        now = past_of({**draft, "gates": gates}, out.name)
        if found.manifest["reproducible"]:  # no duration where equal inputs are to give equal bytes
            now["seconds"] = None
        past = history(self.past, now) if self.past is not None else None
        keep(evidence, comparison, maps, past)


def _side(named: Path | None, folder: Path | None) -> Side | None:
    if folder is None:
        return None
    try:
        return read_side(folder)
    except InputError as error:
        raise RecipeError(f"--baseline {named}: {error.cause}", error.remedy) from error

"""What the last layer is given of each image: images that the network takes for alike lie near each other."""

from __future__ import annotations

from collections.abc import Sequence

from reportgen.engine.needs import Features, ModelFacts, Need, Tape
from reportgen.findings import Embedding, Finding
from reportgen.probes import probe


@probe("set-map", scope="image", group="inside the network", compare="nothing")
class SetMap:
    """Map of the set: which images does the network take for alike?

    Definition. The penultimate features of each image with figures, what the last layer makes its answer of,
    in two dimensions: by t-SNE of their 50 first principal components, seeded; by the first two alone
    where there are too few images or too many. Each image then takes the free place of a grid that is
    nearest in the sum over all.

    Reading. Neighbours look alike to the network. A wrong answer amid another class looks like that class to
    it, or has its label wrongly; a group of wrong ones beside each other is a kind of image to look at.

    Limits. Distances in the picture mean little, and neither does the size of a gap: only who is near. t-SNE
    shows groups in noise, too. It has the images with figures, which are not drawn at random.

    Needs. A layer before the one that answers.

    Source. van der Maaten & Hinton 2008, Visualizing Data using t-SNE (JMLR 9).
    """

    def needs(self, model: ModelFacts) -> Sequence[Need]:
        Features().work(model)  # raises NotApplicable where there are none
        return (Features(),)

    def measure(self, tape: Tape) -> tuple[Finding, ...]:
        features = tape[Features()]  # (N, F)
        return (Embedding("features", "Penultimate features", features, "what the last layer is given"),)

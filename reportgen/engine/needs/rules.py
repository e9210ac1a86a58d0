"""The names of the ways through a rectifier backwards: exact, guided backpropagation, deconvnet.

`engine/relu_rules.py` goes them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from reportgen.engine.network.facts import ModelFacts
from reportgen.findings import NotApplicable

Rule: TypeAlias = Literal["exact", "guided", "deconv"]
RULES: dict[Rule, str] = {
    "deconv": "the deconvnet's rule",
    "guided": "guided backpropagation",
    "exact": "the plain gradient",
}


def rule_of(wish: Literal["auto"] | Rule, model: ModelFacts) -> Rule:
    """The rule for projecting. Raises NotApplicable where the wished one is not defined.

    `auto` is the deconvnet's where the network has pooling switches to go by; guided backpropagation
    where it has none, since the deconvnet's pictures then hardly depend on the image (Springenberg et
    al. 2014, sec. 3.4); and the plain gradient where a rectifier has neither.
    """
    if wish == "auto":
        return ("deconv" if model.max_pools else "guided") if model.ruled else "exact"
    if wish != "exact" and not model.ruled:
        raise NotApplicable("the model has activations without a deconvnet or guided rule")
    return wish

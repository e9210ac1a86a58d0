"""The recipe to begin with, as commented YAML, and the recipe's JSON Schema."""

from __future__ import annotations

from typing import Any

import yaml
from pydantic import TypeAdapter

from reportgen.recipe.fields import default_visualizations
from reportgen.recipe.gates import metric_names
from reportgen.recipe.recipe import Recipe

WORDS = ("title", "description", "default")  # of a field, whatever its type
STARTER = """\
# A recipe for reportgen. Every key is optional; the values below are the defaults.
# Check it with `reportgen recipe check FILE`.

title: Model audit

model:
  source:               # torchvision:resnet50, timm:NAME, package.module:callable, file.py:callable
  arguments: {}         # passed to the callable, such as {num_classes: 5}
  weights:              # where the checkpoint holds several: the key, or the beginning of keys
  classes:              # imagenet, a file of names (lines, JSON, YAML, CSV), or a list of names
  # auto where the source knows it; otherwise a mapping, such as
  # {resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
  preprocessing: auto
  head: auto            # softmax, sigmoid (one logit or labels), probabilities (already), scores (values)
  output:               # which output holds the logits, where the network returns several

images:
  labels: auto          # auto, none, folder, imagefolder (by the names' order), a CSV file with path,label
  parts:                # a CSV file with path,part,left,top,right,bottom, in pixels of the original image
  # Every image is scored; these get figures, and the report says how they were chosen.
  show: {at_most: 200, choose: [wrong, unsure, random]}
  at_most_megapixels:   # larger pictures are left out; 89.5 where nothing is said

# What each image is explained for: predicted, label, top-3, class names or indices, or a list.
targets: predicted

run: {device: auto, batch_size: auto, precision: float32, seed: 0}

# In the report's order: a name, or a name with options. `reportgen methods` explains them.
visualizations:
@visualizations

# The maps are put to the test on a sample of the shown images: do they find what the answer rests
# on, better than random orders, and do they change when the weights are shuffled? false: no test.
trust:
  images: 3
  steps: 10             # of the deletion and insertion curves
  random_orders: 8
  noise_std: 0.05       # of the stability test, as a share of the image's range
  # Past these the report says "do not rely on this map".
  limits: {randomised: 0.5, beats_random_sd: 2.0}

# A second model on the same images, side by side: another checkpoint, or another network. For example
# {checkpoint: epoch-01.safetensors, name: epoch 1, model: {source: …}}; what it leaves out is the
# main model's, and `main` is what that is called beside it.
beside:

# Limits on metrics; the exit code is 1 where one is not met. For example:
#   - {metric: accuracy, min: 0.9}
#   - {metric: trust.grad-cam.beats_random_sd, min: 2}
gates: []

# A theme's name (default, print, high-contrast) or folder. `pdf: {cards: 50}` prints so many cards at most.
# `layout: folder` puts style sheet, script and pictures into files beside report.html.
output: {theme: default, layout: file, html: {at_most_mb: 15}, pdf: true}
"""


def starter() -> str:
    """A commented recipe that says what an absent one means."""
    lines = "".join(_line(shown.resolved()) for shown in default_visualizations())
    return STARTER.replace("@visualizations\n", lines or "  []\n")


def _line(visualization: dict[str, dict[str, Any]]) -> str:
    """`  - grad-cam: {layer: auto}`, or the name alone where there are no options."""
    ((name, options),) = visualization.items()
    if not options:
        return f"  - {name}\n"
    text = yaml.safe_dump(options, default_flow_style=True, sort_keys=False, width=10_000)
    return f"  - {name}: {text}"


def schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, the options of every visualization included."""
    from reportgen.probes import methods

    document = Recipe.model_json_schema()
    kinds = []
    for name, method in methods().items():
        options = TypeAdapter(method.probe).json_schema()
        document["$defs"] |= options.pop("$defs", {})
        options |= {"title": method.title, "description": method.summary}
        named = {"properties": {name: {"anyOf": [options, {"type": "null"}]}}, "required": [name]}
        kinds.append({"type": "object", **named, "additionalProperties": False})
    document["$defs"]["Visualization"] = {
        "anyOf": [{"type": "string", "enum": list(methods())}, *kinds]
    }
    document["$defs"]["Gate"]["properties"]["metric"]["enum"] = metric_names()
    _allow_null(document)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _allow_null(document: dict[str, Any]) -> None:
    """A key with nothing after it means the default, so null fits every key that has one."""
    parts = [document, *(part for name, part in document["$defs"].items() if name != "Visualization")]
    for part in parts:
        for name, field in part.get("properties", {}).items():
            if name not in part.get("required", ()) and {"type": "null"} not in field.get("anyOf", ()):
                words = {key: field.pop(key) for key in WORDS if key in field}
                part["properties"][name] = {"anyOf": [field, {"type": "null"}], **words}

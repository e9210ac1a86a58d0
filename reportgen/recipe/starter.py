"""The recipe to begin with, as commented YAML, and the recipe's JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import TypeAdapter

from reportgen.recipe.checks import default_checks
from reportgen.recipe.fields import Chosen, default_visualizations
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
  signed_by:            # a public key or certificate (PEM): model.sig beside the checkpoint must be theirs
  classes:              # imagenet, a file of names (lines, JSON, YAML, CSV), or a list of names
  # auto where the source knows it; otherwise a mapping, such as
  # {resize: 256, crop: 224, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}
  preprocessing: auto
  head: auto            # softmax, sigmoid (one logit or labels), probabilities (already), scores (values)
  target:               # {box: [left, top, right, bottom]}: where a network answers that segments or detects,
                        # or {mask: FOLDER, value: 15, class: dog}: masks called like the images
  output:               # which output holds the logits, where the network returns several

images:
  labels: auto          # auto, none, folder, imagefolder (by the names' order), a CSV file with path,label
  first_index:          # 0 or 1: the number of the first class, where labels are numbers
  parts:                # a CSV file with path,part,left,top,right,bottom, in pixels of the original image
  masks:                # a folder with a mask an image (PNG or NPY, called like it): where the thing is
  training:             # a folder, a list or a CSV of the training's images: none of them should be here
  foreign:              # a folder, a list or a CSV of pictures that are not of the task
  groups: []            # columns of the labels' CSV whose groups of images are compared
  # Every image is scored; these get figures, and the report says how they were chosen.
  show: {at_most: 200, choose: [wrong, unsure, random]}
  at_most_megapixels:   # larger pictures are left out; 89.5 where nothing is said

# What each image is explained for: predicted, label, top-3, class names or indices, or a list.
targets: predicted
# What gradients and class activation maps explain: logit, or contrast (the logit against all others').
score: logit

run:
  device: auto          # auto, cpu, cuda, cuda:N
  batch_size: auto
  precision: float32
  seed: 0
  preset:               # quick, standard, full: how much there is where this recipe does not say it
  budget:               # 90 s, 10 min, 2 h: what does not fit is left out, and the report says what

# In the report's order: a name, or a name with options. `reportgen methods` explains them.
# `atlas` is measured only where it is listed.
visualizations:
@visualizations

# The questions that the audit answers, each with its options; false: none. `reportgen checks` explains them.
# Those that cost much are asked of a sample of the images, drawn with the seed.
checks:
  sample: 400
  only:                 # all, or a list
@checks

# What nobody measured: the report prints it as stated.
statement:
  intended_use:         # what the model is for, and what not
  images:               # where the images are from
  limits:               # what is known to go wrong
  owner:                # who answers for the model
  reasons:              # why the gates have the limits that they have

# The maps are put to the test on a sample of the shown images, half of them wrong or unsure: do they
# depend on the weights, point at what counts, find the right picture …? Each is answered by yes, no or
# open. false: no test.
trust:
  images: 20
  dear: 5               # of these, how many maps of many forwards (occlusion, RISE) are made again for
  steps: 3              # of the deletion and insertion curves
  random_orders: 4      # of each image; each counts from both ends
  copies: 8             # noisy copies that maps are smoothed over before weights are shuffled
  noise_std: 0.05       # their noise, as a share of the image's range
  # Each is of one question: ρ above that of unrelated maps, standard deviations of random orders,
  # likeness to another class's map as a share of that to itself, ρ under a little noise.
  limits: {randomised: 0.1, beats_random_sd: 1.645, same_class: 0.9, steady: 0.5}

# A second model on the same images, side by side: another checkpoint, or another network. For example
# {checkpoint: epoch-01.safetensors, name: epoch 1, model: {source: …}}; what it leaves out is the
# main model's, and `main` is what that is called beside it.
beside:

# Limits on metrics; the exit code is 1 where one is not met. For example:
#   - {metric: accuracy, min: 0.9}            # max; min_lower, max_upper: on that end of the 95 % interval
#   - {metric: accuracy, min_lower: 0.85, at_least: 100}   # of fewer images it cannot be judged
#   - {metric: trust.grad-cam.beats_random_sd, min: 2}
#   - {check: duplicates}                     # fails on a fault; at_worst: clear is stricter
#   - {metric: accuracy, within: 0.01}        # with --baseline DIR: no worse than there by more
#   - {diff: answers_changed, max: 0.01}      # with --baseline DIR: of the images that both have
gates: []

# A folder of earlier reports: how the requirements, the accuracy and the checks went from one to the next.
history:

# A theme's name (default, print, high-contrast) or folder. `pdf: {cards: sheet}` prints the images that
# need a look on a page each (50: so many at most), full: whole cards, none: no image.
# `crosswalk: eu-ai-act` (mission-ki, iso-4213) adds which clauses of that text the report bears on.
# `layout: folder` puts style sheet, script and pictures into files beside report.html.
output: {theme: default, layout: file, html: {at_most_mb: 15}, pdf: true, crosswalk: null}
"""


def starter() -> str:
    """A commented recipe that says what an absent one means."""
    shown, asked = _lines(default_visualizations()), _lines(default_checks(), "    ")
    return STARTER.replace("@visualizations\n", shown).replace("@checks\n", asked)


def _lines(several: Iterable[Chosen], indent: str = "  ") -> str:
    return "".join(f"{indent}{_line(chosen.resolved()).lstrip()}" for chosen in several) or f"{indent}[]\n"


def _line(visualization: Mapping[str, Mapping[str, Any]]) -> str:
    """`  - grad-cam: {layer: auto}`, or the name alone where there are no options."""
    ((name, options),) = visualization.items()
    if not options:
        return f"  - {name}\n"
    text = yaml.safe_dump(dict(options), default_flow_style=True, sort_keys=False, width=10_000)
    return f"  - {name}: {text}"


def schema() -> dict[str, Any]:
    """The JSON Schema of a recipe, the options of every visualization included."""
    from reportgen.checks import questions
    from reportgen.probes import methods

    document = Recipe.model_json_schema()
    shown = {name: (method.probe, method.title, method.summary) for name, method in methods().items()}
    asked = {name: (check.check, check.title, check.question) for name, check in questions().items()}
    document["$defs"]["Visualization"] = _choice(shown, document)
    document["$defs"]["Check"] = _choice(asked, document)
    document["$defs"]["Gate"]["properties"]["check"]["anyOf"][0]["enum"] = list(asked)
    document["$defs"]["Gate"]["properties"]["metric"]["anyOf"][0]["enum"] = metric_names()
    _allow_null(document)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def _choice(known: Mapping[str, tuple[type, str, str]], document: dict[str, Any]) -> dict[str, Any]:
    """The schema of a name, or of `name: {option: value}`, for what has a class, a title and a summary."""
    kinds = []
    for name, (kind, title, summary) in known.items():
        options = TypeAdapter(kind).json_schema()
        document["$defs"] |= options.pop("$defs", {})
        options |= {"title": title, "description": summary}
        named = {"properties": {name: {"anyOf": [options, {"type": "null"}]}}, "required": [name]}
        kinds.append({"type": "object", **named, "additionalProperties": False})
    return {"anyOf": [{"type": "string", "enum": list(known)}, *kinds]}


def _allow_null(document: dict[str, Any]) -> None:
    """A key with nothing after it means the default, so null fits every key that has one."""
    chosen = ("Visualization", "Check")
    parts = [document, *(part for name, part in document["$defs"].items() if name not in chosen)]
    for part in parts:
        for name, field in part.get("properties", {}).items():
            if name not in part.get("required", ()) and {"type": "null"} not in field.get("anyOf", ()):
                words = {key: field.pop(key) for key in WORDS if key in field}
                part["properties"][name] = {"anyOf": [field, {"type": "null"}], **words}

"""Where the numbers come from: checkpoint, model, run, software and the resolved recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from reportgen.report.document import heads
from reportgen.report.values.card import Fact
from reportgen.report.values.document import Sheet
from reportgen.report.wording import cell, count, date, duration, number, plural, shape, size

RECIPE_ORDER = (
    *("title", "statement", "model", "images", "targets", "run", "visualizations", "checks", "trust"),
    *("beside", "gates", "output"),
)
STATED = {
    "intended_use": "intended use",
    "images": "source of the images",
    "limits": "known limits",
    "owner": "owner",
    "reasons": "reasons for the gates",
}

HEADS = {
    "classes": "one class an image",
    "binary": "one of two classes an image",
    "labels": "labels, each by itself",
    "values": "values",
}


def sheets(manifest: Mapping[str, Any], timing: Mapping[str, Any]) -> tuple[Sheet, ...]:
    """Checkpoint, model, run and software. Durations only where the run need not repeat."""
    checkpoint = manifest["checkpoint"]
    checkpoint = (
        Fact("file", checkpoint["name"]),
        Fact("SHA-256", checkpoint["sha256"]),
        Fact("size", f"{size(checkpoint['size_bytes'])} ({checkpoint['size_bytes']:,} bytes)"),
        Fact("format", checkpoint["format"]),
        *_signature(checkpoint.get("signature")),
        *(Fact(f["what"], f"{f['name']}, SHA-256 {f['sha256']}") for f in manifest.get("files", ())),
    )
    return (
        Sheet("Checkpoint", checkpoint),
        Sheet("Model", _model(manifest["model"])),
        Sheet("Run", _run(manifest, timing)),
        Sheet("Software", _software(manifest["environment"])),
    )


def _signature(signature: Mapping[str, Any] | None) -> tuple[Fact, ...]:
    """What was found of a signature beside the checkpoint, where there was one."""
    if not signature:
        return ()
    signer = signature["signer"]
    by = (Fact("signer's key, SHA-256", signer),) if signer else ()
    return (
        Fact("signature", f"{signature['name']}: {signature['words']}"),
        Fact("signature's SHA-256", signature["sha256"]),
        *by,
    )


def stated(statement: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What the recipe says that nobody measured."""
    return tuple(Fact(words, statement.get(key) or "not stated") for key, words in STATED.items())


def _model(model: Mapping[str, Any]) -> tuple[Fact, ...]:
    arguments = ", ".join(f"{key}={value!r}" for key, value in model["arguments"].items())
    return (
        Fact("source", model["source"]),
        *((Fact("code that built it", model["code"]),) if model.get("code") else ()),
        Fact("arguments", arguments or "none"),
        Fact("input", f"{shape(model['input_shape'])} (channels, height, width)"),
        Fact("preprocessing", preprocessing(model["preprocessing"])),
        Fact(heads.noun(model), f"{model['class_count']:,}"),
        *_outputs(model.get("head") or {}),
        Fact("parameters", f"{model['parameters']:,}, {model['trainable_parameters']:,} trainable"),
        Fact("multiply-adds an image", count(model["macs"])),
        Fact(
            "memory",
            f"{size(model['parameter_bytes'])} parameters,"
            f" {size(model['activation_bytes'])} activations of one image",
        ),
        Fact("rectifiers in a forward", number(model["rectifiers"])),
        Fact("smooth activations", ", ".join(model["smooth_activations"]) or "none"),
        *(Fact("note", note) for note in model["notes"]),
    )


def _outputs(head: Mapping[str, Any]) -> tuple[Fact, ...]:
    """What the outputs are, where that is not logits of classes, and which of several is read."""
    facts = []
    if head.get("output") is not None:
        facts.append(Fact("output", str(head["output"])))
    if head.get("reading") or head.get("form", "logits") != "logits":
        facts.append(Fact("head", f"{HEADS[head['kind']]}; the network puts out {_put_out(head)}"))
    return tuple(facts)


def _put_out(head: Mapping[str, Any]) -> str:
    return "values" if head["kind"] == "values" else head["form"]


def preprocessing(applied: Mapping[str, Any]) -> str:
    """The preprocessing in a sentence, with where it comes from."""
    steps = []
    if applied["resize"] is not None:
        sides, how = applied["resize"], applied["interpolation"]
        to = f"shorter side to {sides}" if isinstance(sides, int) else f"resize to {shape(sides)}"
        steps.append(f"{to} px, {how}")
    if applied["crop"] is not None:
        crop = applied["crop"]
        steps.append(f"centre crop {shape(crop if isinstance(crop, list) else [crop, crop])} px")
    for key in ("mean", "std"):
        steps.append(f"{key} " + ", ".join(f"{value:g}" for value in applied[key]))
    if applied.get("range"):
        steps.append("values from {:g} (black) to {:g} (white)".format(*applied["range"]))
    if names := applied.get("bands"):
        steps.append(f"bands {', '.join(names)}")
    if applied.get("show"):
        shown = ", ".join(names[n] if names else f"band {n}" for n in applied["show"])
        steps.append(f"shown as a picture: {shown}")
    elif len(applied["mean"]) not in (1, 3):
        first = ", ".join(names[:3] if names else ("band 0", "band 1", "band 2")[: len(applied["mean"])])
        steps.append(f"shown as a picture: {first}")
    return f"{'; '.join(steps)} ({applied['origin']})"


def _run(manifest: Mapping[str, Any], timing: Mapping[str, Any]) -> tuple[Fact, ...]:
    environment, cost = manifest["environment"], manifest["cost"]
    more = {
        "trust": "test the maps",
        "check": "answer the checks",
        "ascent": "maximise activations",
        "snapshot": "see other checkpoints",
    }
    extra = [(cost.get(f"{key}_forwards"), words) for key, words in more.items()]
    projected = cost.get("projection_backwards")
    facts = [
        Fact("date", date(manifest["created"])),
        Fact("images from", manifest["images"]["source"]),
        Fact("device", environment["device"]),
        Fact("precision", environment["precision"]),
        Fact("seed", str(environment["seed"])),
        Fact("deterministic", cell(environment["deterministic"])),
        Fact("CPU threads", cell(environment["threads"])),
        Fact(
            "passes, in images",
            f"{plural(cost['forwards'], 'forward')}, {plural(cost['backwards'], 'backward')},"
            f" {plural(cost['occlusion_forwards'], 'occluded forward')}"
            + "".join(f", {plural(count, 'forward')} to {words}" for count, words in extra if count)
            + (f", {plural(projected, 'backward')} to project single values" if projected else ""),
        ),
    ]
    if not manifest["reproducible"]:
        seconds = timing["seconds"]
        # rendering is what is happening now: its time is in results.json only
        stages = [key for key in ("decode", "compute", "encode", "trust", "checks") if seconds.get(key)]
        spent = [f"{key} {duration(seconds[key])}" for key in stages]
        if spent:
            facts.append(Fact("time", ", ".join(spent)))
        if timing.get("peak_memory_bytes"):
            facts.append(Fact("peak memory", size(timing["peak_memory_bytes"])))
    return tuple(facts)


def _software(environment: Mapping[str, Any]) -> tuple[Fact, ...]:
    names = ("reportgen", "python", "torch", "torchvision", "cuda", "cudnn", "driver", "numpy", "platform")
    return tuple(Fact(name, cell(environment[name])) for name in names if name in environment)


def recipe_yaml(recipe: Mapping[str, Any]) -> str:
    """The resolved recipe, in the order of a recipe file."""
    ordered = {key: recipe[key] for key in RECIPE_ORDER if key in recipe}
    ordered |= {key: value for key, value in recipe.items() if key not in ordered}
    text = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=88)
    return str(text)

"""The network with the checkpoint's weights in it, and what is known of it beforehand."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reportgen.errors import InputError, RecipeError
from reportgen.inputs.checkpoints.keys import COUNTER, Ambiguous, few, renamed
from reportgen.inputs.checkpoints.reading import Checkpoint, load
from reportgen.inputs.checkpoints.sets import of_several, several
from reportgen.inputs.checkpoints.signature import checked
from reportgen.inputs.classes.names import names
from reportgen.inputs.classes.names import notes as class_notes
from reportgen.inputs.images.preprocessing import Preprocessing
from reportgen.inputs.models import image_processor
from reportgen.inputs.models.auto_preprocessing import for_model, for_program, official_weights
from reportgen.inputs.models.huggingface import network_of, take_rgb, turned, under_own_names
from reportgen.inputs.models.permission import permission
from reportgen.inputs.models.saved_folders import folder_of, saved_folder
from reportgen.inputs.models.sources import FORMS, build
from reportgen.inputs.models.tied import completed
from reportgen.inputs.models.wrappers import bare, refuse_scripted, settings_kept, settle, unscripted
from reportgen.inputs.programs.loading import Kind, kind_of, load_program

if TYPE_CHECKING:
    from reportgen.recipe import Recipe

TRAINERS = ("model.", "net.", "network.", "student.")  # what trainers keep a network under
__all__ = ["Subject", "build", "load_subject"]


@dataclass(frozen=True)
class Subject:
    """The network under audit: in eval mode, on the CPU, float32, the checkpoint's weights loaded.

    `checkpoint.state` is empty: only the facts are kept. `classes` is None where nobody named them.
    """

    network: nn.Module
    source: str
    arguments: Mapping[str, Any]
    checkpoint: Checkpoint
    classes: tuple[str, ...] | None
    preprocessing: Preprocessing
    notes: tuple[str, ...]
    code: str = "none: the file itself is the network"  # whose code built it, and who allowed that


def load_subject(recipe: Recipe, checkpoint: Path) -> Subject:
    """Builds the recipe's model and loads the checkpoint into it, strictly; a signature is looked at first.

    Raises RecipeError for what the recipe says wrongly, InputError where file and model differ, or file and
    signature.
    """
    signed = checked(checkpoint, recipe.model.signed_by, recipe.folder)
    subject = _loaded(recipe, checkpoint)
    return replace(subject, checkpoint=replace(subject.checkpoint, signature=signed))


def _loaded(recipe: Recipe, checkpoint: Path) -> Subject:
    if kind := kind_of(checkpoint):
        return _of_program(recipe, checkpoint, kind)
    saved = None if recipe.model.source else saved_folder(checkpoint)
    source = saved.source if saved else recipe.model.source
    if not source:
        raise RecipeError("no model is named", f"give --model or the recipe's model.source: {FORMS}")
    may = None if saved else permission(source, recipe.folder, recipe.allowed_code)
    classes = names(recipe.model.classes, recipe.folder)
    loaded = load(checkpoint, recipe.model.weights)
    official = official_weights(source, loaded.sha256)
    implied = _implied_arguments(source, loaded, official is not None)
    arguments = {**implied, **recipe.model.arguments}
    changed: list[str] = []
    scripted: list[str] = []
    with settings_kept(changed), unscripted(scripted):
        network = saved.build(arguments) if saved else build(source, arguments, recipe.folder, may)
    refuse_scripted(network, source)
    network, unwrapping = bare(network)
    if scripted:
        unwrapping.append(f"Not scripted, so that layers can be seen: {few(list(dict.fromkeys(scripted)))}.")
    if changed:
        unwrapping.append(f"The model's code changed {' and '.join(changed)} of torch: changed back.")
    if network_of(network) is not None and image_processor.flips_channels(folder_of(checkpoint)):
        unwrapping.append(
            "The folder's image processor gives blue, green, red: the weights of "
            f"'{take_rgb(network)}' were turned round instead, so that all figures are in red, green, blue."
        )
    notes = [*loaded.notes, *unwrapping, *fill(network, loaded, source)]
    notes += class_notes(recipe.model.classes, recipe.folder)
    if official is not None and classes is None:
        classes = tuple(official.meta["categories"])
        notes.append(f"Class names are those of {official}, recognised by the file's hash.")
    elif classes is None:
        classes = loaded.classes
    elif loaded.classes is not None and loaded.classes != tuple(classes):
        notes.append("The checkpoint itself names the classes otherwise: the recipe's names are used.")
    settle(network.eval())
    preprocessing, more = for_model(
        recipe, source, network, official, arguments=arguments, checkpoint=checkpoint
    )
    if limit := recipe.images.at_most_megapixels:
        preprocessing = replace(preprocessing, largest_px=round(limit * 1e6))
    return Subject(
        network=network.eval().float().cpu(),
        source=source,
        arguments=arguments,
        checkpoint=replace(loaded, state={}, metadata=None),
        classes=classes,
        preprocessing=preprocessing,
        notes=(*notes, *more),
        code=may.words if may else f"networks of {source.partition(':')[0]}, as installed",
    )


def _of_program(recipe: Recipe, checkpoint: Path, kind: Kind) -> Subject:
    """The subject whose network is the file itself. Raises RecipeError where the recipe names another."""
    _refuse_model_beside(recipe, checkpoint, kind)
    classes = names(recipe.model.classes, recipe.folder)
    program, loaded = load_program(checkpoint, kind)
    network = program.network.eval().float().cpu()
    preprocessing, more = for_program(recipe, network, program.shape)
    if limit := recipe.images.at_most_megapixels:
        preprocessing = replace(preprocessing, largest_px=round(limit * 1e6))
    return Subject(
        network=network,
        source=f"{kind} file",
        arguments={},
        checkpoint=loaded,
        classes=classes,
        preprocessing=preprocessing,
        notes=(*loaded.notes, *class_notes(recipe.model.classes, recipe.folder), *more),
    )


def _refuse_model_beside(recipe: Recipe, checkpoint: Path, kind: Kind) -> None:
    """Raises RecipeError where the recipe says how to build a network that the file already is."""
    for key in ("source", "arguments", "weights"):
        if value := getattr(recipe.model, key):
            named = f" names {value}" if key == "source" else ""
            raise RecipeError(
                f"model.{key}{named}, but {checkpoint.name} is a network of its own ({kind})",
                f"leave {'--model and ' if key == 'source' else ''}model.{key} out, or name as the "
                "checkpoint the state dict that the file was made from",
            )


def _implied_arguments(source: str, loaded: Checkpoint, official: bool) -> dict[str, Any]:
    """What the checkpoint itself says about torchvision's two networks with auxiliary heads."""
    if source.lower() not in ("torchvision:googlenet", "torchvision:inception_v3"):
        return {}
    aux = any(key.lower().startswith("aux") for key in loaded.state)
    # torchvision's own weights of these two expect the input scaled otherwise, inside the network
    return {"aux_logits": aux, **({"transform_input": True} if official else {})}


def fill(network: nn.Module, loaded: Checkpoint, source: str) -> list[str]:
    """Loads the weights, strictly, and returns notes. Raises InputError with what differs."""
    own = network.state_dict()
    mapped = _mapped(network, loaded)
    state, notes = _fitting(mapped or loaded, own, source)
    _check_kinds(state, own, loaded.name)
    state, ties = completed(network, state, own, loaded.name)
    ready = OrderedDict(state)
    # the versions of its modules, by which torch migrates the keys of older releases
    versions = loaded.metadata
    if state.keys() == own.keys() and (versions is None or state.keys() != loaded.state.keys()):
        versions = getattr(own, "_metadata", None)
    if versions is not None:
        ready._metadata = versions  # type: ignore[attr-defined]
    try:
        # what was made without values takes the checkpoint's own tensors
        hollow = any(parameter.is_meta for parameter in network.parameters())
        network.load_state_dict(ready, strict=True, assign=hollow)
    except Exception as error:  # RuntimeError where they differ; a module's own hook raises others
        raise difference(state, own, loaded.name, source, str(error)) from error
    if empty := [name for name, value in network.named_buffers() if value.is_meta]:
        raise InputError(
            f"{source} makes '{empty[0]}' without values, on the device meta, and {loaded.name} has none",
            "make the model on the CPU",
        )
    absent = own.keys() - state.keys()
    if absent and all(key.endswith(COUNTER) for key in absent):
        notes.append("The checkpoint counts no batches of its normalisations (an old torch).")
    return notes + ties + _remarks(loaded.state if mapped else state)


def _mapped(network: nn.Module, loaded: Checkpoint) -> Checkpoint | None:
    """The checkpoint with transformers' own keys, where the network is one of transformers."""
    if network_of(network) is None:
        return None
    _check_kinds(loaded.state, {}, loaded.name)
    state = under_own_names(network, loaded.state, loaded.name) or loaded.state
    state = turned(network, state)
    return None if state is loaded.state else replace(loaded, state=state, metadata=None)


def _fitting(
    loaded: Checkpoint, own: Mapping[str, Tensor], source: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The state under the network's names, and notes. Raises InputError where two parts of it fit."""
    if loaded.sets:
        state, notes = of_several(loaded, own, source)
    else:
        try:
            state, notes = renamed(dict(loaded.state), own, source)
        except Ambiguous as error:
            raise several(loaded, error.prefixes, f" that fit {source}: below ") from error
    state, more = _whole_numbers(state, own)
    return state, notes + more


def _whole_numbers(
    state: dict[str, Tensor], own: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[str]]:
    """The state with counters and indices that were saved as floats made whole numbers again."""
    found = {}
    for key, value in state.items():
        mine = own.get(key)
        floats = value.is_floating_point() and value.layout == torch.strided and not value.is_meta
        if mine is None or mine.is_floating_point() or mine.is_complex() or not floats:
            continue
        wide = value.double()
        if key.endswith(COUNTER) and bool(torch.isfinite(wide).all()):  # an average of counters is a fraction
            wide = wide.ceil()
        # beyond this a float no longer tells one whole number from the next
        exact = 2 / torch.finfo(value.dtype).eps
        whole = bool(torch.isfinite(wide).all()) and torch.equal(wide, wide.round())
        if whole and (key.endswith(COUNTER) or bool((wide.abs() <= exact).all())):
            found[key] = wide.to(mine.dtype)
    note = f"Whole numbers that were saved as floats are read as such: {few(list(found))}."
    return {**state, **found}, [note] if found else []


def _check_kinds(state: Mapping[str, Tensor], own: Mapping[str, Tensor], name: str) -> None:
    """Raises InputError for what a load would convert silently or cannot read: int8, sparse, …"""
    for key, value in state.items():
        plain = value.layout == torch.strided and not (value.is_quantized or value.is_meta)
        mine = own.get(key)
        if not plain or (mine is not None and mine.is_floating_point() != value.is_floating_point()):
            wanted = "" if mine is None else f", {_kind(mine)} in the model"
            odd = "" if plain else " (quantized, sparse or without values)"
            kind = "float32, dense" if mine is None or mine.is_floating_point() else _kind(mine)
            remedy = f"save it as {kind}"
            if key.endswith(COUNTER):
                remedy += ", or leave it out: it counts batches, and no answer depends on it"
            raise InputError(f"{key} is {_kind(value)}{odd} in {name}{wanted}", remedy)


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _remarks(state: Mapping[str, Tensor]) -> list[str]:
    """What a reader should know of the weights."""
    notes = []
    floats = {key: value for key, value in state.items() if value.is_floating_point()}
    if other := {_kind(value) for value in floats.values()} - {"float32"}:
        notes.append(f"Weights of {', '.join(sorted(other))} were converted to float32.")
    for key, value in floats.items():
        if bad := int((~torch.isfinite(value.float())).sum()):
            notes.append(f"{bad} of {value.numel()} values of {key} are not finite.")
    return notes


def difference(
    state: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    name: str,
    source: str,
    refusal: str,
) -> InputError:
    """What differs between a checkpoint and a model: counts, and the first few of each kind.

    `refusal` is what torch said, for the rare case that names and shapes agree.
    """
    missing = [key for key in own if key not in state and not key.endswith(COUNTER)]
    extra = [key for key in state if key not in own]
    shapes = [
        (key, tuple(state[key].shape), tuple(own[key].shape))
        for key in own
        if key in state and _shape(state[key]) != _shape(own[key])
    ]
    parts = [f"{key} is {theirs} in the checkpoint, {ours} in the model" for key, theirs, ours in shapes[:3]]
    if len(shapes) > 3:
        parts.append(f"{len(shapes) - 3} more shapes differ")
    if missing:
        parts.append(f"{len(missing)} of the model's {len(own)} keys missing ({_few(missing)})")
    if extra:
        parts.append(f"{len(extra)} of the checkpoint's {len(state)} keys unknown ({_few(extra)})")
    what = "; ".join(parts) or f"the model refuses the weights: {' '.join(refusal.split())[:200]}"
    return InputError(f"{name} does not fit {source}: {what}", _remedy(missing, extra, shapes, state))


def _few(keys: list[str]) -> str:
    return ", ".join(keys[:3]) + (", …" if len(keys) > 3 else "")


def _shape(tensor: Tensor) -> tuple[int, ...] | None:
    """The shape, or None for a lazy parameter that takes any."""
    return None if nn.parameter.is_lazy(tensor) else tuple(tensor.shape)


def _remedy(
    missing: list[str],
    extra: list[str],
    shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]],
    state: Mapping[str, Tensor],
) -> str:
    classes = {(theirs[:1], ours[:1]) for _, theirs, ours in shapes if theirs[1:] == ours[1:]}
    if shapes and len(classes) == 1 and not missing and not extra:
        ((theirs, _),) = classes
        return f"set model.arguments.num_classes: {theirs[0]}" if theirs else "check model.source"
    lacking, more = ({key.partition(".")[0] for key in keys} for keys in (missing, extra))
    if len(lacking) == 1 and len(more) <= 1 and not shapes:
        head = lacking.pop()
        if not more:
            return (
                f"the checkpoint has no '{head}', as one that was saved without its last layers: name the "
                "whole network's, or in model.source what it was saved from"
            )
        built = "was built otherwise" if more == {head} else f"has another name or form, '{more.pop()}'"
        return (
            f"the part '{head}' {built}: write a file.py whose function makes the model and "
            f"replaces '{head}' as the training code does, and name it in model.source: file.py:function"
        )
    check = "check model.source and model.arguments: they must be what the checkpoint was saved from"
    part = next((p for p in TRAINERS if any(key.startswith(p) for key in state)), "")
    return f"{check}; where only those below '{part}' are meant, set model.weights: {part}" if part else check

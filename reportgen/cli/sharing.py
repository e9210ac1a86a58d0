"""`shard` and `merge`: a set that is shared out among machines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reportgen.cli.audits import Row, Told, audited, requested
from reportgen.cli.failures import watch_sigterm
from reportgen.cli.options import (
    AllowCode,
    Baseline,
    Beside,
    BesideModel,
    Checkpoint,
    Device,
    Foreign,
    History,
    Images,
    Json,
    Keep,
    Labels,
    Latest,
    Limit,
    Model,
    NoPdf,
    Out,
    Preset,
    Quiet,
    RecipeFile,
    SaveMaps,
    Strict,
    Verbose,
    folder_of,
)
from reportgen.cli.terminal import tell

PartOf = Annotated[str, typer.Argument(metavar="K/N", help="Which part, of how many: 3/16.")]
Parts = Annotated[list[Path], typer.Argument(metavar="DIR...", help="The folders of all parts.")]
PartOut = Annotated[str, typer.Option("--out", help="The part's folder.")]


def shard(
    ctx: typer.Context,
    part: PartOf,
    checkpoint: Checkpoint,
    images: Images,
    out: PartOut,
    recipe: RecipeFile = None,
    device: Device = None,
    model: Model = None,
    allow_code: AllowCode = None,
    labels: Labels = None,
    foreign: Foreign = None,
    beside: Beside = None,
    beside_model: BesideModel = None,
    baseline: Baseline = None,
    history: History = None,
    preset: Preset = None,
    limit: Limit = None,
    no_pdf: NoPdf = False,
    save_maps: SaveMaps = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure one part of the images, on any machine; merge makes the report of all parts."""
    from reportgen.cli.terminal import progress

    watch = watch_sigterm()
    place = folder_of(out)
    request = requested(ctx, checkpoint, images, recipe, limit, save_maps, baseline)
    from reportgen.pipeline import sharing

    with progress(quiet) as shown:
        sharing.shard(request, sharing.part_of(part), place, progress=watch.over(shown))
    tell(str(place))


def merge(
    parts: Parts,
    out: Out,
    allow_code: AllowCode = None,
    latest: Latest = False,
    keep: Keep = None,
    strict: Strict = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Make the report of a set whose parts were measured by shard."""
    from reportgen.pipeline.sharing import asked

    watch = watch_sigterm()
    request = asked(parts, allow_code or ())
    audited(request, folder_of(out), watch, Told(quiet, as_json, strict), Row(latest, keep), parts=parts)

"""Decodes an image's bytes, safely, to the model's input; and a stream of them over threads."""

from __future__ import annotations

import hashlib
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import numpy.typing as npt
import PIL.ImageFile
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile as PillowFile

from reportgen import files
from reportgen.inputs.images import bands, masks
from reportgen.inputs.images.facts import Facts, facts_of
from reportgen.inputs.images.listing import LARGEST_FILE_BYTES, ImageFile, hashed
from reportgen.inputs.images.part_boxes import placed
from reportgen.inputs.images.preprocessing import LARGEST_PX, Geometry, Preprocessing, apply
from reportgen.inputs.images.survey import none_readable, survey

__all__ = [
    "Decoded",
    "ImageFile",
    "Rejected",
    "Unreadable",
    "decode",
    "none_readable",
    "stream",
    "survey",
]

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "AVIF")
ORIENTATION = 0x0112  # the EXIF tag
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIGINAL_LONGEST_PX = 640
ORIGINAL_QUALITY = 88


class Unreadable(Exception):
    """An image that cannot be used; the text says why, in one line and without paths."""


@dataclass(frozen=True)
class Decoded:
    """One image: the network's input (C, H, W), what the model saw (H, W, C), the original.

    `original_jpeg` is RGB, its longest side at most 640 px. `notes` say what was done to it.
    """

    file: ImageFile
    pixels: npt.NDArray[np.float32]
    seen: npt.NDArray[np.uint8]
    original_jpeg: bytes
    geometry: Geometry
    notes: tuple[str, ...]
    # (parts, 4) int64: top, left, bottom, right in pixels of the input; zeros where a part is not there
    boxes: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 4), np.int64))
    mask: npt.NDArray[np.bool_] | None = None  # (H, W), where the image has one
    facts: Facts | None = None  # of the whole picture, where they were asked for


@dataclass(frozen=True)
class Rejected:
    """One image that is left out, and why."""

    file: ImageFile
    reason: str


def decode(file: ImageFile, preprocessing: Preprocessing, facts: bool = False) -> Decoded:
    """Reads one image of the survey; with the facts of the whole picture where they are asked for.

    Raises Unreadable.
    """
    data = _content(file)
    try:
        PIL.Image.MAX_IMAGE_PIXELS = max(preprocessing.largest_px, LARGEST_PX)
        if bands.is_array(data, preprocessing):
            values, notes = bands.read(data, preprocessing)
            _check_resized((values.shape[1], values.shape[0]), preprocessing)
            pixels, seen, geometry, picture = bands.apply(values, preprocessing)
        else:
            picture, notes = _photograph(data, preprocessing.largest_px)
            _check_resized(picture.size, preprocessing)
            pixels, seen, geometry = apply(picture, preprocessing)
        known = facts_of(picture, data) if facts else None
        original = _original_jpeg(picture)
    except Unreadable:
        raise
    except bands.Refused as error:
        raise Unreadable(str(error)) from error
    except UnidentifiedImageError as error:
        raise Unreadable(_unknown(data)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(bands.too_large(None, preprocessing.largest_px)) from error
    except MemoryError as error:
        raise Unreadable("needs more memory than there is") from error
    except Exception as error:  # decoders of damaged files raise whatever comes
        raise Unreadable(_in_words(error)) from error
    boxes = placed(file.parts, geometry)
    if out := sum(part is not None and not box.any() for part, box in zip(file.parts, boxes, strict=True)):
        notes.append(f"parts that are more than half out of the model's view: {out}")
    mask = _mask(file, geometry, notes)
    return Decoded(file, pixels, seen, original, geometry, tuple(notes), boxes, mask, known)


def _mask(file: ImageFile, geometry: Geometry, notes: list[str]) -> npt.NDArray[np.bool_] | None:
    """The image's mask on the model's input, (H, W), which the notes tell of. Raises Unreadable."""
    if file.mask is None:
        return None
    try:
        mask = masks.placed(file.mask, geometry)
    except masks.Unusable as error:
        if not file.mask.required:
            notes.append(f"not used: {error}")
            return None
        raise Unreadable(str(error)) from error
    notes.append(f"mask: {100 * float(mask.mean()):.2g} % of the model's input")
    return mask


def stream(
    files: Iterable[ImageFile],
    preprocessing: Preprocessing,
    workers: int = 2,
    ahead: int = 16,
    facts: bool = False,
) -> Iterator[Decoded | Rejected]:
    """Every file in order, decoded by threads at most `ahead` images before they are taken."""

    def attempt(file: ImageFile) -> Decoded | Rejected:
        try:
            return decode(file, preprocessing, facts)
        except Unreadable as error:
            return Rejected(file, str(error))

    remaining = iter(files)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        running: deque[Future[Decoded | Rejected]] = deque(
            pool.submit(attempt, file) for file in islice(remaining, max(1, ahead))
        )
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(attempt, file) for file in islice(remaining, 1))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _content(file: ImageFile) -> bytes:
    """The file's bytes, exactly those that the survey hashed. Raises Unreadable."""
    if file.reason:
        raise Unreadable(file.reason)
    try:
        if file.blob is not None:
            return _unchanged(file, file.blob.read())
        if not file.path.is_file() or file.path.stat().st_size > LARGEST_FILE_BYTES:
            raise Unreadable(hashed(file).reason or "changed while it was read")
        data = files.read(file.path, LARGEST_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be opened: {getattr(error, 'strerror', error)}") from error
    return _unchanged(file, data)


def _unchanged(file: ImageFile, data: bytes) -> bytes:
    if file.sha256 is not None and hashlib.sha256(data).hexdigest() != file.sha256:
        raise Unreadable("changed while it was read")
    return data


def _unknown(data: bytes) -> str:
    """What a picture of no known kind is, where its first bytes say so."""
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"mif1", b"msf1", b"hevc"):
        return "HEIC, which `pip install pillow-heif` makes readable"
    return f"not an image of a known kind ({', '.join(FORMATS)})"


def _formats() -> tuple[str, ...]:
    """The formats that Pillow may try, with HEIC where the package for it is installed."""
    try:
        import pillow_heif
    except ImportError:
        return FORMATS
    pillow_heif.register_heif_opener()
    return (*FORMATS, "HEIF")


def _photograph(data: bytes, largest_px: int) -> tuple[Image.Image, list[str]]:
    """The first frame upright and in RGB, and notes on what that took."""
    # some libraries switch this on for the whole process; a truncated image is a rejected image
    PIL.ImageFile.LOAD_TRUNCATED_IMAGES = False
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        if image.width * image.height > largest_px:
            raise Unreadable(bands.too_large(image.size, largest_px))
        # Pillow keeps only the high bytes of deep colour; deep grey is scaled below
        deep = image.mode[0] not in "IF" and _raw_bits(image) > 8
        turned = _orientation(image) if image.format == "TIFF" else 1  # Pillow's load undoes these
        image.load()
        notes = ["16 bit scaled to 8 bit"] if deep else []
        picture, conversion = _rgb(image)
        notes += conversion
        if (orientation := _orientation(image)) != 1:
            picture = picture.transpose(TURNS[orientation])
        if (stated := max(orientation, turned)) != 1:
            notes.append(f"EXIF orientation {stated} applied")
        frames = getattr(image, "n_frames", 1)  # after the pixels: counting moves through the file
        if frames > 1:
            notes.append(f"first of {frames} frames")
    return picture, notes


def _raw_bits(image: PillowFile) -> int:
    """Bits a channel in the file, where the decoder's raw mode tells: "RGB;16B" has 16."""
    raw = image.tile[0].args if image.tile else ""
    mode = raw if isinstance(raw, str) else next(iter(raw or ()), "")
    return 16 if ";16" in str(mode) else 8


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation where there is one to undo, else 1."""
    try:
        found = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged EXIF block says nothing about the pixels
        return 1
    return int(found) if found in TURNS else 1


def _rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Any mode as RGB: 16 bit and float scaled, alpha laid over white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _scaled(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema()[0] == 255:
            return layer.convert("RGB"), []
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB"), ["alpha over white"]
    notes = ["CMYK converted without its colour profile"] if image.mode == "CMYK" else []
    return image.convert("RGB"), notes


def _scaled(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Numbers of more than 8 bit as grey: 16 bit over its full range, else over their own."""
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise Unreadable("its values are not finite")
    if image.mode != "F" and low >= 0 and high <= 65535:
        values, note = values / 257, "16 bit scaled to 8 bit"
        if 255 < high < 32768:  # 10, 12 or 14 bit in a file of 16
            white = 2 ** int(high).bit_length() - 1
            note += (
                f"; its values reach only {high:.0f} of 65535, so it is dark to the model: "
                f"model.preprocessing.range, such as [0, {white}], says what is white"
            )
    elif image.mode == "F" and low >= 0 and high <= 1:
        values, note = values * 255, "values 0 to 1 scaled to 8 bit"
    else:
        values = (values - low) * (255 / ((high - low) or 1))
        note = f"values {low:.4g} to {high:.4g} scaled to 8 bit"
    grey = Image.fromarray(np.rint(values).astype(np.uint8))
    return grey.convert("RGB"), [note]


def _check_resized(size: tuple[int, int], preprocessing: Preprocessing) -> None:
    """A sliver of a few pixels by thousands would become a giant by its shorter side."""
    width, height = preprocessing.resized_px(*size)
    if width * height > max(LARGEST_PX, preprocessing.largest_px):
        raise Unreadable(f"{size[0]} × {size[1]} px would be resized to {width} × {height} px")


def _original_jpeg(picture: Image.Image) -> bytes:
    scale = min(1.0, ORIGINAL_LONGEST_PX / max(picture.size))
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    picture.info = {}  # no EXIF, no profile, no comment: pixels only
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=ORIGINAL_QUALITY)
    return buffer.getvalue()


def _in_words(error: Exception) -> str:
    """A decoder's complaint in one line, without addresses or paths, so that it repeats."""
    line = " ".join(re.sub(r"<[^>]* at 0x[0-9a-f]+>", "the file", str(error)).split())
    return f"damaged: {line[:120] or type(error).__name__}"

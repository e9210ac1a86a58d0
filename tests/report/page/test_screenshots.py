"""The page as it is drawn: no part of it is empty, in any width or scheme."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("playwright.sync_api")

BLANK_PX = 420  # the tallest stretch of a page in which nothing is drawn
LIKE = 6  # levels by which pixels of one colour may differ


def blank(pixels: np.ndarray) -> int:
    """The longest run of rows (h, w, 3) that hold one colour each, the same from row to row."""
    flat = (np.abs(pixels - pixels[:, :1]).max((1, 2)) <= LIKE).astype(int)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]])))
    return int((ends[1::2] - ends[::2]).max(initial=0))


def test_an_empty_stretch_is_found() -> None:
    page = np.full((900, 40, 3), 250, np.int16)
    page[:100, 5] = page[600:, 7] = 0
    assert blank(page) == 500
    assert blank(page[:100]) == 0


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark"), (1920, "light")])
def test_no_stretch_of_the_page_is_empty(
    watched: Callable[..., Any], rendered: Path, width: int, scheme: str
) -> None:
    page = watched(rendered, width, scheme)
    page.evaluate(
        """async () => {
          const hidden = document.querySelectorAll(".card, .listing");
          for (const part of hidden) part.style.contentVisibility = "visible";
          for (const image of document.images) image.loading = "eager";
          await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
        }"""
    )
    main = page.locator("main").bounding_box()
    drawn = page.screenshot(full_page=True, clip=main, animations="disabled")
    pixels = np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"), np.int16)
    assert pixels.shape[0] > 3000, "it is the whole page"
    assert blank(pixels) <= BLANK_PX

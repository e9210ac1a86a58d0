"""What the reader does while the page's own change of the address is under way is not undone by it.

A browser tells of a new address some time after it was written. Each of these tests gets in before that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

FIGURE = "#i000000 figure:not([data-again])"
ACTIONS = f"""
  const happen = (kind, at, more) => at.dispatchEvent(new kind[0](kind[1], {{ bubbles: true, ...more }}));
  const press = (key) => happen([KeyboardEvent, "keydown"], document.activeElement, {{ key }});
  const open = () => document.querySelector("{FIGURE} a.name").click();
  const field = document.querySelector(".find [name=q]");
  const type = (text) => {{ field.value = text; happen([Event, "input"], field); }};
  const leave = () => happen([Event, "change"], field);
  const next = () => new Promise((done) => addEventListener("hashchange", done, {{ once: true }}));
  const told = async () => {{ await next(); await new Promise((done) => setTimeout(done)); }};
"""


def act(page: Any, actions: str) -> None:
    """Runs actions in one turn of the page's loop, and whatever else they wait for."""
    page.evaluate(f"async () => {{ {ACTIONS} {actions} }}")


def place(page: Any) -> str:
    """Which figure of the card the explorer shows: `3 / 12`."""
    return str(page.locator("#explorer .count").inner_text()).partition(" / ")[0]


def test_a_key_pressed_right_after_opening_walks_on(
    watched: Callable[..., Any], rendered: Path, until: Callable[..., None]
) -> None:
    page = watched(rendered)
    act(page, "const heard = told(); open(); press('ArrowRight'); press('ArrowRight'); await heard;")
    assert place(page) == "3"
    third = page.locator(FIGURE).nth(2).get_attribute("id")
    until(page, f"location.hash === '#view?figure={third}'")


def test_a_key_pressed_while_the_address_follows_walks_on(
    watched: Callable[..., Any], rendered: Path
) -> None:
    page = watched(rendered)
    # registered before the page's own, so called before it
    page.add_init_script("addEventListener('hashchange', () => window.before?.())")
    page.reload()
    act(page, "const heard = told(); open(); await heard;")
    pressing = "window.before = () => { window.before = null; press('ArrowRight'); };"
    act(page, f"{pressing} const heard = told(); press('ArrowRight'); await heard;")
    assert place(page) == "3"


def test_what_is_typed_while_the_address_follows_stays(
    watched: Callable[..., Any], rendered: Path, until: Callable[..., None]
) -> None:
    page = watched(rendered)
    act(page, "const heard = told(); type('tw'); leave(); type('two'); await heard;")
    assert page.locator(".find [name=q]").input_value() == "two"
    until(page, "location.hash === '#view?q=two'")


def test_the_same_address_is_followed_when_the_reader_asks_for_it(
    watched: Callable[..., Any], rendered: Path, until: Callable[..., None]
) -> None:
    page = watched(rendered)
    for label in ("wrong", "all"):
        page.locator(f"#show-{label}").check(force=True)
    page.go_back()
    until(page, "document.getElementById('show-wrong').checked")
    page.go_forward()
    until(page, "document.getElementById('show-all').checked")

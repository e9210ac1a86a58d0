"""report.pdf as an archive wants it: PDF/A-3a by structure, whole, tagged, with its data attached."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reportgen.evidence import Evidence
from reportgen.recipe import load
from reportgen.report import write_report
from reportgen.report.cards.cards import cards
from reportgen.report.document.document import document
from reportgen.report.render import templates
from reportgen.report.render.print_selection import cases, printed
from reportgen.report.values.card import Block, Card

pikepdf = pytest.importorskip("pikepdf")
pytest.importorskip("weasyprint")
FLAGS = {"invisible": 1, "hidden": 2, "print": 4, "no view": 32}


@pytest.fixture(scope="module")
def pdf(rendered: Path) -> Iterator[Any]:
    with pikepdf.open(rendered / "report.pdf") as held:
        yield held


def dictionaries(pdf: Any, **wanted: str) -> list[Any]:
    """The dictionaries of the file whose entries are `wanted`; a stream's dictionary is one too."""
    return [
        held
        for held in pdf.objects
        if isinstance(held, pikepdf.Dictionary | pikepdf.Stream)
        and all(held.get(f"/{key}") == f"/{value}" for key, value in wanted.items())
    ]


def test_it_says_that_it_is_pdf_a_3a(pdf: Any) -> None:
    with pdf.open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert metadata["dc:title"] == "Cats & <dogs>"
    assert pdf.docinfo["/Title"] == "Cats & <dogs>"
    assert pdf.Root.Lang == "en"
    assert pdf.Root.ViewerPreferences.DisplayDocTitle
    assert not pdf.is_encrypted
    assert len(pdf.trailer.ID) == 2


def test_colours_have_a_profile_and_pictures_are_left_as_they_are(pdf: Any) -> None:
    (intent,) = pdf.Root.OutputIntents
    assert intent.S == "/GTS_PDFA1"
    assert intent.DestOutputProfile.N == 3
    assert b"sRGB" in intent.DestOutputProfile.read_bytes()
    pictures = dictionaries(pdf, Subtype="Image")
    assert len(pictures) > 8
    for held in pictures:
        assert held.ColorSpace in ("/DeviceRGB", "/DeviceGray")
        assert not held.get("/Interpolate", False)
        assert "/SMask" not in held
        assert "/Alternates" not in held


def test_nothing_acts_and_notes_are_printed(pdf: Any) -> None:
    for key in ("/AA", "/OpenAction", "/AcroForm"):
        assert key not in pdf.Root
    assert not dictionaries(pdf, S="JavaScript")
    for note in dictionaries(pdf, Type="Annot"):
        assert int(note.F) & FLAGS["print"]
        assert not int(note.F) & (FLAGS["invisible"] | FLAGS["hidden"] | FLAGS["no view"])
        assert note.Subtype == "/Link"
        assert note.Contents


def test_every_font_is_embedded_and_can_be_read_aloud(pdf: Any) -> None:
    """Each has its file and a map to Unicode, and no glyph is .notdef."""
    fonts = dictionaries(pdf, Type="Font", Subtype="Type0")
    assert len(fonts) >= 3
    for font in fonts:
        descriptor = font.DescendantFonts[0].FontDescriptor
        assert any(f"/FontFile{kind}" in descriptor for kind in ("", "2", "3"))
        assert b"beginbfchar" in font.ToUnicode.read_bytes()
    for page in pdf.pages:
        for operands, operator in pikepdf.parse_content_stream(page):
            if str(operator) == "TJ":
                shown = b"".join(bytes(part) for part in operands[0] if isinstance(part, pikepdf.String))
                assert b"\0\0" not in {shown[at : at + 2] for at in range(0, len(shown), 2)}


def elements(held: Any) -> Iterator[Any]:
    """The structure elements below one, depth first."""
    kids = held.get("/K", [])
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and kid.get("/Type") == "/StructElem":
            yield kid
            yield from elements(kid)


def test_it_is_tagged_and_every_figure_has_its_words(pdf: Any) -> None:
    assert pdf.Root.MarkInfo.Marked
    found = list(elements(pdf.Root.StructTreeRoot))
    kinds = {str(held.S)[1:] for held in found}
    assert {"H1", "H2", "H3", "P", "Table", "THead", "TH", "TD", "Figure", "Caption", "Link"} <= kinds
    figures = [held for held in found if held.S == "/Figure"]
    assert len(figures) > 10
    spoken = [str(held.get("/Alt", "")) for held in figures]
    assert all(spoken)
    assert any("Saliency of 000001 " in words or "Occlusion of 000001 " in words for words in spoken)


def test_no_figure_is_split_from_its_caption(pdf: Any) -> None:
    """A split figure is two elements, of which one has a caption and nothing that it is about."""
    held = list(elements(pdf.Root.StructTreeRoot))
    # lines of a caption may be tagged as captions within it
    captions = [one for one in held if one.S == "/Caption" and one.P.S != "/Caption"]
    assert len(captions) >= 6
    for caption in captions:
        siblings = [one for one in elements(caption.P) if one.objgen != caption.objgen]
        shown = [one for one in siblings if one.S in ("/Figure", "/P")]
        assert shown
        assert shown[0].Pg.objgen == caption.Pg.objgen


def test_what_is_drawn_belongs_to_the_structure(pdf: Any) -> None:
    """Every marked piece of every page is known to the parent tree."""
    numbers = pdf.Root.StructTreeRoot.ParentTree.Nums
    parents = {int(numbers[at]): numbers[at + 1] for at in range(0, len(numbers), 2)}
    for page in pdf.pages:
        held = {
            int(operands[1].MCID)
            for operands, operator in pikepdf.parse_content_stream(page)
            if str(operator) == "BDC" and "/MCID" in operands[1]
        }
        assert held == set(range(len(parents[int(page.StructParents)])))


def test_results_and_recipe_are_attached_and_are_what_they_say(
    pdf: Any, rendered: Path, tmp_path: Path
) -> None:
    assert {str(held.AFRelationship) for held in pdf.Root.AF} == {"/Source", "/Data"}
    assert sorted(pdf.attachments) == ["recipe.yaml", "results.json"]
    data = {name: held.get_file().read_bytes() for name, held in pdf.attachments.items()}
    attached, written = json.loads(data["results.json"]), json.loads((rendered / "results.json").read_bytes())
    for found in (attached, written):  # the time of rendering is not known while the PDF is made
        found["cost"]["seconds"] |= {"render": None, "total": None}
    assert attached == written
    (tmp_path / "recipe.yaml").write_bytes(data["recipe.yaml"])
    assert load(tmp_path / "recipe.yaml").title == "Cats & <dogs>"


def test_a_reproducible_run_attaches_no_measured_time(
    write_evidence: Callable[..., Path], tmp_path: Path
) -> None:
    assert write_report(write_evidence(tmp_path, reproducible=True)).problem is None
    with pikepdf.open(tmp_path / "report.pdf") as held:
        attached = json.loads(held.attachments["results.json"].get_file().read_bytes())
    assert set(attached["cost"]["seconds"].values()) == {None}
    assert attached["cost"]["peak_memory_bytes"] is None


ID = re.compile(r'\bid="([^"]+)"')


def plain(markup: str) -> str:
    """What a reader sees of markup, without spaces: where they stand is the layout's affair."""
    words = re.sub(r"<[^>]+>", " ", re.sub(r"<title>.*?</title>", "", markup))
    return "".join(html.unescape(words).split())


def blocks(card: Card) -> list[Block]:
    """Every block of a card."""
    held = [block for group in card.groups for block in (*group.blocks, *sum(group.rows, ()))]
    return [*held, *card.side]


def items(card: Card) -> set[str]:
    """The ids of a card and of all that has one in it."""
    held = [item for block in blocks(card) for item in (*block.figures, *block.strips, *block.tables)]
    again = [figure for group in card.groups for _, figure in group.again]
    return {card.id, *(item.id for item in (*card.figures, *held, *again))}


def numbers(card: Card) -> set[str]:
    """The printed numbers of a card: answers, facts, ends of scales, captions' details."""
    figures = [figure for block in blocks(card) for figure in block.figures]
    held = [answer.probability for answer in card.answers]
    held += [fact.value for fact in card.facts]
    held += [fact.value for block in blocks(card) for fact in block.facts]
    held += [fact.value for figure in figures for fact in figure.facts]
    held += [tick for figure in figures if figure.bar for tick in figure.bar.ticks]
    held += [detail for figure in figures for detail in figure.details]
    return {"".join(value.split()) for value in held}


def test_screen_and_print_have_the_same_ids_and_numbers(rendered: Path) -> None:
    evidence = Evidence(rendered / "evidence")
    made = document(evidence, json.loads((rendered / "results.json").read_bytes()))
    shown = list(cards(evidence, made.trust))
    paper = templates.render(
        lambda raster: "x",
        "print.html.j2",
        form="full",
        document=made,
        cards=shown,
        notes=[],
        logo="",
        limits="",
        left_out=(),
        weight="",
    )
    screen = (rendered / "report.html").read_text(encoding="utf-8")
    here, there = set(ID.findall(paper)), set(ID.findall(screen))
    sections = {item.id for block in made.sections for item in (*block.strips, *block.tables)}
    wanted = sections.union(*map(items, shown), (block.id for block in made.sections))
    assert len(wanted) > 40
    assert wanted <= here
    assert wanted <= there
    for card in shown:
        held = numbers(card)
        assert len(held) > 15
        for markup in (paper, screen):
            at = markup.index(f'id="{card.id}"')
            text = plain(markup[at : markup.index("</article>", at)])
            assert not {value for value in held if value not in text}


def test_what_a_sheet_says_stands_on_the_card_too(rendered: Path) -> None:
    evidence = Evidence(rendered / "evidence")
    made = document(evidence, json.loads((rendered / "results.json").read_bytes()))
    selection = printed(made, True)
    held = cases(evidence, selection.document, selection)
    assert held is not None
    assert {case.number for case in held.sheets} == {"000001", "000002"}
    shown = {card.number: card for card in cards(evidence, made.trust)}
    for case in held.sheets:
        card, known = shown[case.number], numbers(shown[case.number])
        assert case.words == card.words
        assert case.answers == card.answers
        assert {shown_.figure.id for shown_ in (*case.maps, *case.changes)} <= items(card)
        told = {"".join(fact.value.split()) for fact in (*case.facts, *case.steady)}
        assert told <= known
    contacts = [one for page in held.contacts for one in page]
    rows = {row.number: row for row in made.rows}
    assert [one.number for one in contacts] == ["000000"]
    assert contacts[0].answer == f"{rows['000000'].answer} {rows['000000'].probability}"


def test_the_ids_of_the_screen_are_places_in_the_pdf(pdf: Any) -> None:
    places = pdf.Root.Names.Dests.Names
    names = {str(places[at]) for at in range(0, len(places), 2)}
    cards = {"i000000", "i000001", "i000002"}
    assert cards | {"findings", "images", "answers", "model-architecture", "trust", "cases"} <= names

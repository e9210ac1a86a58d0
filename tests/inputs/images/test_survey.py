"""The survey of an image set: order, ids, hashes, labels, and what is passed over and why."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reportgen.errors import InputError
from reportgen.evidence import Writer
from reportgen.inputs.images.loading import none_readable, survey
from reportgen.ownership import claim

FLOWERS = ("rose", "tulip", "ox-eye daisy")


def picture(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), colour).save(path, "PNG")
    return path


def shown(images: Path, labels: str = "none", classes=FLOWERS, base: Path = Path(), **more):
    return [file.shown for file in survey(images, labels, classes, base, **more)[0]]


def labels_of(images: Path, labels: str = "auto", classes=FLOWERS, base: Path = Path()):
    files, _ = survey(images, labels, classes, base)
    return {file.shown: (file.label, file.label_index) for file in files}


def report(folder: Path) -> Path:
    """A report with pictures beside its page, sealed as a run does it."""
    writer = Writer(folder / "evidence", "key")
    writer.write("batch-000000", {})
    writer.seal({}, {})
    for name in (f"{'0a' * 8}.png", "logo.png", "report.css"):
        claim(folder, [f"report-files/{name}"])
        picture(folder / "report-files" / name)
    return folder


# -- which files, in which order -----------------------------------------------------------------


def test_a_folder_is_read_to_the_bottom_in_the_order_of_relative_paths(tmp_path):
    for name in ("b.png", "a/z.JPG", "a/b/c.webp", "a.png", "B.png", "img10.png", "img2.png"):
        picture(tmp_path / name)
    files, notes = survey(tmp_path, "none", FLOWERS, tmp_path)
    expected = sorted(["b.png", "a/z.JPG", "a/b/c.webp", "a.png", "B.png", "img10.png", "img2.png"])
    assert [file.shown for file in files] == expected
    assert [file.id for file in files] == [f"{n:06d}" for n in range(7)]
    assert notes == ()
    for file in files:
        assert file.sha256 == hashlib.sha256(file.path.read_bytes()).hexdigest()


def test_what_reportgen_wrote_is_no_image_but_what_lies_beside_it_is(tmp_path):
    picture(tmp_path / "x.png")
    for name in ("report", "a/b/nightly"):
        report(tmp_path / name)
    picture(tmp_path / "report" / "mine.png")
    picture(tmp_path / "report" / "report-files" / "mine.png")
    picture(tmp_path / "report-files" / "logo.png")  # the name alone says nothing
    (tmp_path / "link").symlink_to("a/b/nightly/report-files")
    files, notes = survey(tmp_path, "none", FLOWERS, tmp_path)
    mine = ["report-files/logo.png", "report/mine.png", "report/report-files/mine.png", "x.png"]
    assert [file.shown for file in files] == mine
    assert notes[-1] == "Files that reportgen wrote were passed over; reports lie in: a/b/nightly, report."
    assert len([note for note in notes if "ignored" in note]) == 0


def test_an_image_folder_inside_a_report_is_read_without_a_word(tmp_path):
    picture(report(tmp_path / "report") / "images" / "x.png")
    files, notes = survey(tmp_path / "report" / "images", "none", FLOWERS, tmp_path)
    assert ([file.shown for file in files], notes) == (["x.png"], ())


def test_hidden_and_other_files_are_passed_over_and_counted(tmp_path):
    for name in ("x.png", ".hidden.png", ".git/y.png", "__MACOSX/z.png"):
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "Thumbs.db").write_text("")
    files, notes = survey(tmp_path, "none", FLOWERS, tmp_path)
    assert [file.shown for file in files] == ["x.png"]
    assert notes == ("Files without an image's suffix were ignored: 2.",)


def test_what_cannot_be_an_image_has_its_reason_and_keeps_its_number(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.png").symlink_to(tmp_path / "nowhere.png")
    picture(tmp_path / "d.png" / "inside.png")  # a folder that is named like an image
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "e.png")
    files, _ = survey(tmp_path, "none", FLOWERS, tmp_path)
    reasons = {file.shown: file.reason for file in files}
    assert reasons.pop("a.png") is None
    assert reasons.pop("b.png") == "an empty file"
    assert reasons.pop("c.png") == "a link to nothing"
    assert reasons.pop("d.png/inside.png") is None
    assert set(reasons.values()) <= {"not a regular file"}
    assert files[1].sha256 == hashlib.sha256(b"").hexdigest()
    assert files[2].sha256 is None


def test_links_within_the_set_are_followed_those_out_of_it_said_and_a_loop_ends(tmp_path):
    picture(tmp_path / "elsewhere" / "x.png")
    picture(tmp_path / "set" / ".kept" / "x.png")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "set" / ".kept")
    (tmp_path / "set" / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "root").symlink_to("/")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "self.png").symlink_to(tmp_path / "set" / "self.png")
    (tmp_path / "set" / "y.png").symlink_to(tmp_path / "elsewhere" / "x.png")
    files, notes = survey(tmp_path / "set", "none", FLOWERS, tmp_path)
    assert [(file.shown, file.reason) for file in files] == [
        ("link/x.png", None),
        ("self.png", "a link to nothing"),
        ("y.png", None),
    ]
    assert any("already" in note for note in notes)
    assert "Links to folders elsewhere were not followed: 2, such as out." in notes
    assert "Pictures that are links out of the folder: 1, such as y.png." in notes


def test_names_that_are_no_text_are_shown_escaped(tmp_path):
    picture(tmp_path / "line\nbreak.png")
    picture(tmp_path / "right\u202eleft.png")
    Image.new("RGB", (4, 4)).save(open(os.fsencode(tmp_path) + b"/\xff\xfe.png", "wb"), "PNG")  # noqa: SIM115
    files, _ = survey(tmp_path, "none", FLOWERS, tmp_path)
    assert {file.shown for file in files} == {
        "line\\nbreak.png",
        "right\\u202eleft.png",
        "\\xff\\xfe.png",
    }
    assert all(file.reason is None for file in files)
    json.dumps([file.shown for file in files]).encode()


def test_a_single_image(tmp_path):
    picture(tmp_path / "cat.png")
    assert shown(tmp_path / "cat.png") == ["cat.png"]


def test_the_limit_takes_the_first_of_the_sorted_set(tmp_path):
    for n in range(5):
        picture(tmp_path / f"{n}.png")
    files, notes = survey(tmp_path, "none", FLOWERS, tmp_path, limit=2)
    assert [file.shown for file in files] == ["0.png", "1.png"]
    assert notes == ("The first 2 of 5 images are used (--limit).",)


def test_a_file_list_is_relative_to_its_folder(tmp_path):
    picture(tmp_path / "set" / "b.png")
    outside = picture(tmp_path / "a.png")
    (tmp_path / "set" / "list.txt").write_text(f"b.png\n\n  {outside}  \nb.png\ngone.png\n.\n")
    files, notes = survey(tmp_path / "set" / "list.txt", "none", FLOWERS, tmp_path)
    assert [(file.shown, file.reason) for file in files] == [
        (".", "a folder"),
        ("../a.png", None),
        ("b.png", None),
        ("gone.png", "there is no such file"),
    ]
    assert notes == ("1 repeated lines of list.txt are used once.",)


@pytest.mark.parametrize("name", ["list.txt", "list.csv"])
def test_a_list_with_a_null_byte_is_an_image_that_is_not_there(tmp_path, name):
    picture(tmp_path / "a.png")
    (tmp_path / name).write_bytes(b"path\na\0b.png\na.png\n")
    files, _ = survey(tmp_path / name, "none", FLOWERS, tmp_path)
    assert {file.shown: bool(file.reason) for file in files}["a.png"] is False
    (absent,) = (file for file in files if file.shown not in ("a.png", "path"))
    assert absent.reason  # csv of Python 3.10 refuses the byte, so there it is replaced before


def test_no_image_at_all(tmp_path):
    with pytest.raises(InputError, match="holds no image"):
        survey(tmp_path, "auto", FLOWERS, tmp_path)
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="holds no image"):
        survey(tmp_path / "list.txt", "auto", FLOWERS, tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(InputError, match="did you mean 'photos'"):
        survey(tmp_path / "photo", "auto", FLOWERS, tmp_path)
    for path in ("a" * 5000, "a\0b"):
        with pytest.raises(InputError):
            survey(tmp_path / path, "auto", FLOWERS, tmp_path)


def test_none_that_can_be_opened(tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"none of the 2 images .* a\.png: an empty file") as caught:
        survey(tmp_path, "none", FLOWERS, tmp_path)
    assert caught.value.exit_code == none_readable(tmp_path, [("a", "b")]).exit_code == 3


# -- labels --------------------------------------------------------------------------------------


def test_auto_takes_folders_that_are_all_class_names(tmp_path):
    picture(tmp_path / "rose" / "1.png")
    picture(tmp_path / "ox-eye daisy" / "deep" / "2.png")
    picture(tmp_path / "3.png")
    assert labels_of(tmp_path) == {
        "3.png": (None, None),
        "ox-eye daisy/deep/2.png": ("ox-eye daisy", 2),
        "rose/1.png": ("rose", 0),
    }
    assert set(labels_of(tmp_path, "none").values()) == {(None, None)}


def test_auto_labels_nothing_where_one_folder_is_no_class(tmp_path):
    picture(tmp_path / "rose" / "1.png")
    picture(tmp_path / "tulp" / "2.png")
    files, notes = survey(tmp_path, "auto", FLOWERS, tmp_path)
    assert {file.label for file in files} == {None}
    assert "tulp is not a class" in notes[0]
    with pytest.raises(InputError, match=r"folder tulp: unknown class 'tulp' \(did you mean 'tulip'"):
        survey(tmp_path, "folder", FLOWERS, tmp_path)


def test_auto_reads_numbers_as_indices_only_where_classes_have_no_names(tmp_path):
    picture(tmp_path / "0" / "a.png")
    picture(tmp_path / "1" / "b.png")
    unnamed = ("class 0", "class 1")
    assert labels_of(tmp_path, classes=unnamed) == {"0/a.png": ("class 0", 0), "1/b.png": ("class 1", 1)}
    assert set(labels_of(tmp_path).values()) == {(None, None)}
    assert labels_of(tmp_path, "folder")["1/b.png"] == ("tulip", 1)


def test_digits_as_class_names(tmp_path):
    for digit in range(10):
        picture(tmp_path / str(digit) / "x.png")
    found = labels_of(tmp_path, classes=tuple("9876543210"))
    assert found["9/x.png"] == ("9", 0)


def csv_set(folder: Path, text: str | bytes, names=("a.png", "b.png", "c.png")) -> Path:
    for name in names:
        picture(folder / name)
    data = text.encode() if isinstance(text, str) else text
    (folder / "set.csv").write_bytes(data)
    return folder / "set.csv"


def test_a_csv_with_mark_quotes_capitals_and_other_columns(tmp_path):
    text = (
        '\ufeffsplit,Path, LABEL \r\n"te,st","a.png","ox-eye daisy"\r\ntest, b.png ,1\r\n\r\ntest,c.png,\r\n'
    )
    assert labels_of(csv_set(tmp_path, text)) == {
        "a.png": ("ox-eye daisy", 2),
        "b.png": ("tulip", 1),
        "c.png": (None, None),
    }


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_delimiters(tmp_path, mark):
    path = csv_set(tmp_path, f"path{mark}label\na.png{mark}rose\n")
    assert labels_of(path) == {"a.png": ("rose", 0)}


def test_a_csv_without_labels_is_a_list(tmp_path):
    assert set(labels_of(csv_set(tmp_path, "path\na.png\nb.png\n")).values()) == {(None, None)}


@pytest.mark.parametrize("mark", [" ", "\t", ",", ", ", "; "])
def test_a_list_of_paths_and_labels(tmp_path, mark):
    for name in ("a b.png", "c.png"):
        picture(tmp_path / name)
    path = tmp_path / "val.txt"
    path.write_text(f"a b.png{mark}2\nc.png{mark}rose\n")
    assert labels_of(path) == {"a b.png": (FLOWERS[2], 2), "c.png": ("rose", 0)}
    assert any(
        "last word of each line of val.txt" in note for note in survey(path, "auto", FLOWERS, tmp_path)[1]
    )
    path.write_text("a b.png\n")  # a space in a path is no label
    assert labels_of(path) == {"a b.png": (None, None)}


def test_a_csv_whose_labels_have_no_usual_name_says_so(tmp_path):
    path = csv_set(tmp_path, "path,tags,split\na.png,red,test\n")
    _, notes = survey(path, "auto", FLOWERS, tmp_path)
    assert any("set.csv has no column `label`, but tags, split" in note for note in notes)
    path.write_text("path,label,split\na.png,rose,test\n")  # as the note says
    assert labels_of(path) == {"a.png": ("rose", 0)}
    _, notes = survey(csv_set(tmp_path, "path\na.png\n"), "auto", FLOWERS, tmp_path)
    assert not any("label" in note for note in notes)


def test_a_name_with_a_comma_and_a_line_break_counts_lines_rightly(tmp_path):
    path = csv_set(tmp_path, 'path,label\n"a\n.png",rose\nb.png,rosy\n')
    with pytest.raises(InputError, match=r"set\.csv:4: unknown class 'rosy' \(did you mean 'rose'"):
        survey(path, "auto", FLOWERS, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("which,label\na,rose\n", "1: no column is named 'path'"),
        ("which,mask,label\na.png,b.png,rose\n", "which and mask could be meant"),
        ("a.png,b.png,rose\n", "columns 1 and 2 hold paths, and none has a head"),
        ("file,image,label\na.png,b.png,rose\n", "file and image could be meant"),
        ("", "1: no column"),
        ("path,label,label\na.png,rose,tulip\n", "two columns are named 'label'"),
        ("path,path\na.png,b.png\n", "two columns are named 'path'"),
        ("path,label\n,rose\n", "2: the path is empty"),
        ('path,label\n"a.png,rose\n', "not a CSV"),
        ('path,label\na.png,"ro"se\n', "set.csv:2: not a CSV"),
        ("path,label\na.png,3\n", "2: unknown class '3'"),
        ("path,label\na.png,rose\na.png,tulip\n", "3: label 'tulip', but 'rose' for the same"),
        (b"path,label\n\x81.png,rose\n", "not UTF-8 text \\(byte 11\\)"),
        ("path,label\n" + "x" * 200_000 + ",rose\n", "not a CSV"),
    ],
)
def test_a_csv_that_cannot_be_used_says_the_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        survey(csv_set(tmp_path, text), "auto", FLOWERS, tmp_path)


def test_labels_from_a_csv_beside_the_recipe(tmp_path):
    for name in ("set/a.png", "set/sub/b.png", "set/c.png"):
        picture(tmp_path / name)
    expected = {"a.png": ("rose", 0), "c.png": (None, None), "sub/b.png": ("tulip", 1)}
    # paths relative to the CSV's folder, or to the set's
    for text in ("path,label\nset/a.png,rose\nset/sub/b.png,1\n", "path,label\na.png,rose\nsub/b.png,1\n"):
        (tmp_path / "labels.csv").write_text(text)
        assert labels_of(tmp_path / "set", "labels.csv", base=tmp_path) == expected


def test_rows_for_other_images_are_counted_and_none_that_fits_is_an_error(tmp_path):
    picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("path,label\na.png,rose\nx.png,rose\ny.png,rose\n")
    _, notes = survey(tmp_path, "labels.csv", FLOWERS, tmp_path)
    assert "2 rows of the label CSV name no image of this set." in notes
    (tmp_path / "labels.csv").write_text("path,label\nx.png,rose\n")
    with pytest.raises(InputError, match=r"labels\.csv:2: no row names an image"):
        survey(tmp_path, "labels.csv", FLOWERS, tmp_path)
    (tmp_path / "labels.csv").write_text("path\na.png\n")
    with pytest.raises(InputError, match="no column is named 'label'"):
        survey(tmp_path, "labels.csv", FLOWERS, tmp_path)
    for path in ("absent.csv", "a" * 5000, "a\0b"):
        with pytest.raises(InputError, match="cannot be read"):
            survey(tmp_path, path, FLOWERS, tmp_path)


@settings(max_examples=200, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(["path", "label", "a.png", "rose", ",", '"', "\n", "\r", "\0", ";"]))
        .map("".join)
        .map("path,label\n{}".format),
    ),
    name=st.sampled_from(["set.csv", "set.txt", "set.tsv"]),
)
def test_whatever_a_list_says_it_is_read_or_refused_in_words(tmp_path_factory, text, name):
    folder = tmp_path_factory.mktemp("set")
    picture(folder / "a.png")
    (folder / name).write_bytes(text.encode())
    try:
        files, _ = survey(folder / name, "auto", FLOWERS, folder)
    except InputError as error:
        assert error.cause and error.remedy
    else:
        assert [file.number for file in files] == list(range(len(files)))
        assert all(file.label in (None, *FLOWERS) for file in files)


def test_the_survey_is_the_same_twice(tmp_path):
    for n in range(20):
        picture(tmp_path / f"rose/{n}.png")
    assert survey(tmp_path, "auto", FLOWERS, tmp_path) == survey(tmp_path, "auto", FLOWERS, tmp_path)

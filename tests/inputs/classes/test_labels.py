"""Labels and class lists as people have them: what is read, what is said, and what is never guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from reportgen.errors import InputError, RecipeError
from reportgen.inputs.classes import names as class_names
from reportgen.inputs.classes.orders import Reading, agreement
from reportgen.inputs.images.survey import class_folders, surveyed

FLOWERS = ("rose", "tulip", "ox-eye daisy")
UNNAMED = ("class 0", "class 1", "class 2")


def pictures(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name, "PNG")
    return folder


def indices(images: Path, labels: str = "auto", classes=FLOWERS, base: Path = Path(), **more):
    found = surveyed(images, labels, classes, base, **more)
    return {file.shown: file.label_index for file in found.files}, " ".join(found.notes), found.readings


# -- folders ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", [("Rose", "TULIP", "Ox-eye Daisy"), ("rose", "tulip", "ox_eye_daisy")])
def test_other_case_and_other_spaces_are_read_and_said(tmp_path, names):
    found, notes, _ = indices(pictures(tmp_path, *(f"{name}/a.png" for name in names)))
    assert [found[f"{name}/a.png"] for name in names] == [0, 1, 2]
    assert "do not count" in notes


@pytest.mark.parametrize(
    "names", [("GreatWhite", "TigerCat"), ("great.white", "tiger.cat"), ("greatwhite", "tigercat")]
)
def test_words_that_are_written_together(tmp_path, names):
    pictures(tmp_path, *(f"{name}/a.png" for name in names))
    found, notes, _ = indices(tmp_path, classes=("great white", "tiger_cat"))
    assert list(found.values()) == [0, 1] and "do not count" in notes
    apart, _, _ = indices(pictures(tmp_path / "2", "tiger cat/a.png"), classes=("tiger-cat", "tigercat"))
    assert list(apart.values()) == [0]  # the nearer spelling


def test_a_folder_of_what_nobody_labelled_is_no_reason_to_have_no_labels(tmp_path):
    found, notes, _ = indices(pictures(tmp_path, "rose/a.png", "tulip/b.png", "Unlabeled/c.png"))
    assert found == {"Unlabeled/c.png": None, "rose/a.png": 0, "tulip/b.png": 1}
    assert "The folder Unlabeled is no class" in notes
    own, _, _ = indices(tmp_path, classes=("rose", "tulip", "unlabeled"))
    assert own["Unlabeled/c.png"] == 2
    found, notes, _ = indices(pictures(tmp_path / "2", "rose/a.png", "tulpi/b.png"))
    assert set(found.values()) == {None} and "did you mean 'tulip'" in notes


def test_folders_below_several_of_all(tmp_path):
    found, notes, _ = indices(pictures(tmp_path, "x/y/z/rose/a.png", "x/y/z/tulip/b.png"))
    assert list(found.values()) == [0, 1] and "below x/y/z/" in notes


def test_folders_numbered_from_1_and_the_remedy_works(tmp_path):
    pictures(tmp_path, "1/a.png", "2/b.png", "3/c.png")
    found, notes, _ = indices(tmp_path, classes=UNNAMED)
    assert set(found.values()) == {None} and "images.first_index: 1" in notes
    assert list(indices(tmp_path, classes=UNNAMED, first_index=1)[0].values()) == [0, 1, 2]


def test_classes_in_the_names_of_files_are_said(tmp_path):
    found, notes, _ = indices(pictures(tmp_path, "rose.12.png", "tulip_3.png", "ox-eye daisy-1.png"))
    assert set(found.values()) == {None}
    assert "the files' names begin with classes" in notes and "path,label" in notes
    assert "No labels" not in indices(pictures(tmp_path / "2", "rose.1.png", "IMG_2.png"))[1]


def test_case_that_parts_two_classes_counts(tmp_path):
    classes = ("us", "US", "it")
    found, notes, _ = indices(pictures(tmp_path, "us/a.png", "US/b.png", "it/c.png"), classes=classes)
    assert list(found.values()) == [1, 2, 0]  # in the order of their paths: US, it, us
    _, notes, _ = indices(pictures(tmp_path / "more", "Us/a.png", "it/c.png"), classes=classes)
    assert "Us is not a class" in notes


@pytest.mark.parametrize("above", [("train", "val"), ("val",), ("Test",), ("flowers",)])
def test_class_folders_below_splits_or_one_folder_of_all(tmp_path, above):
    pictures(tmp_path, *(f"{top}/{name}/a.png" for top in above for name in ("rose", "tulip")))
    found, notes, _ = indices(tmp_path)
    assert {k.split("/")[1]: v for k, v in found.items()} == {"rose": 0, "tulip": 1}
    assert all(f"{top}/" in notes for top in above)


def test_splits_below_one_folder_of_all(tmp_path):
    pictures(tmp_path, "images/train/rose/a.png", "images/val/tulip/b.png", "images/val/rose/c.png")
    found, notes, _ = indices(tmp_path)
    assert list(found.values()) == [0, 0, 1]
    assert "below images/train/ and images/val/" in notes
    pictures(tmp_path / "flat", "images/train/a.png", "images/val/b.png")
    assert set(indices(tmp_path / "flat")[0].values()) == {None}


def test_a_class_that_is_called_like_a_split_is_a_class(tmp_path):
    found, notes, _ = indices(pictures(tmp_path, "train/a.png", "bus/b.png"), classes=("bus", "train"))
    assert found == {"bus/b.png": 0, "train/a.png": 1} and "below" not in notes


def test_wordnet_ids(tmp_path):
    pictures(tmp_path, "n01440764/a.png", "n02012849/b.png", "n03126707/c.png")
    imagenet = class_names.imagenet()
    found, notes, _ = indices(tmp_path, classes=imagenet, ids=class_names.imagenet_ids())
    assert imagenet[0] == "tench" and list(found.values()) == [0, 134, 517]
    assert (imagenet[134], imagenet[517]) == ("crane bird", "crane")
    assert "WordNet" in notes
    assert indices(tmp_path, "folder", imagenet, ids=class_names.imagenet_ids())[0] == found
    with_background = (class_names.BACKGROUND, *imagenet)
    more = class_names.ids(None, tmp_path, with_background)
    assert indices(tmp_path, classes=with_background, ids=more)[0]["n01440764/a.png"] == 1


def test_the_ids_are_those_of_the_names():
    ids = class_names.imagenet_ids()
    assert len(set(ids)) == 1000 and list(ids) == sorted(ids)
    known = {"n01440764": "tench", "n02123045": "tabby", "n07753592": "banana", "n15075141": "toilet tissue"}
    assert {i: class_names.imagenet()[ids.index(i)] for i in known} == known


def test_folders_without_class_names_say_why_there_are_no_labels_and_the_remedies_work(tmp_path):
    pictures(tmp_path, "red/a.png", "green/b.png", "blue/c.png")
    found, notes, readings = indices(tmp_path, classes=UNNAMED)
    assert set(found.values()) == {None}
    assert "No labels" in notes and "images.labels: imagefolder" in notes
    assert "model.classes: [blue, green, red]" in notes
    by_order = indices(tmp_path, "imagefolder", UNNAMED)[0]
    assert by_order == {"blue/c.png": 0, "green/b.png": 1, "red/a.png": 2}
    assert indices(tmp_path, classes=("blue", "green", "red"))[0] == by_order
    assert class_folders(tmp_path) == ["blue", "green", "red"]
    assert [one.words for one in readings] == ["in ImageFolder's order (as text, 10 before 2)"]


def test_no_folder_that_is_a_class_is_said(tmp_path):
    _, notes, _ = indices(pictures(tmp_path, "oak/a.png", "elm/b.png"))
    assert "none of the 2 folders (elm, oak)" in notes and "rose" in notes
    _, notes, _ = indices(pictures(tmp_path / "n", "0/a.png", "1/b.png"))
    assert "images.labels: folder reads them as indices" in notes
    assert list(indices(tmp_path / "n", "folder")[0].values()) == [0, 1]


def test_a_folder_a_class_in_imagefolders_order_or_none(tmp_path):
    pictures(tmp_path, "a/a.png", "b/b.png")
    with pytest.raises(InputError, match="2 folders, 3 classes"):
        indices(tmp_path, "imagefolder", UNNAMED)


TWELVE = tuple(f"class {n}" for n in range(12))


def test_numbers_have_two_orders_and_the_answers_say_which_fits(tmp_path):
    names = sorted(str(n) for n in range(12))
    pictures(tmp_path, *(f"{name}/a.png" for name in names))
    found, notes, readings = indices(tmp_path, classes=TWELVE)
    assert found["10/a.png"] == 10 and "class indices" in notes
    (text,) = readings
    files = surveyed(tmp_path, "auto", TWELVE, tmp_path).files
    used = {file.number: file.label_index for file in files}
    as_text = {file.number: names.index(file.shown.split("/")[0]) for file in files}
    assert text.indices == as_text
    (said,) = agreement(readings, used, as_text)
    assert "2 of 12 answers are right" in said and "12 of 12" in said and "10 before 2" in said
    assert "images.labels: imagefolder" in said
    assert agreement(readings, used, {k: v for k, v in used.items() if v is not None}) == []
    taken = indices(tmp_path, "imagefolder", TWELVE)[0]
    assert [taken[file.shown] for file in files] == [as_text[file.number] for file in files]


def test_numbers_from_one_on(tmp_path):
    pictures(tmp_path, *(f"{n}/a.png" for n in range(1, 13)))
    found, notes, readings = indices(tmp_path, classes=TWELVE)
    assert set(found.values()) == {None} and "No labels" in notes
    assert len(readings) == 2
    counted = readings[1]
    assert counted.words == "by number, the lowest first"
    assert counted.remedy.startswith('model.classes: ["1", "2"')
    classes = tuple(str(n) for n in range(1, 13))  # the remedy
    assert indices(tmp_path, classes=classes)[0]["10/a.png"] == 9


# -- numbered folders whose classes have names: planted is the order of the training -------------------

NUMERALS = [str(n) for n in range(12)]
KINDS = tuple(f"kind {chr(97 + n)}" for n in range(12))


def asked(images: Path, classes, order: list[str], labels: str = "auto", wrong: int = 0, **more):
    """What the answers of a network say that has the folders in `order`, of which the first `wrong` miss;
    and the share that is right as labelled."""
    found = surveyed(images, labels, classes, images, **more)
    answers = {f.number: order.index(f.shown.split("/")[0]) for f in found.files}
    answers.update({number: (answers[number] + 5) % len(order) for number in list(answers)[:wrong]})
    used = {file.number: file.label_index for file in found.files}
    right = sum(used[number] == answers[number] for number in used) / len(used)
    return agreement(found.readings, used, answers), right


def test_numbered_folders_of_named_classes_are_read_as_the_answers_fit_and_the_remedy_works(tmp_path):
    pictures(tmp_path, *(f"{name}/{k}.png" for name in NUMERALS for k in "ab"))
    best, other = asked(tmp_path, KINDS, sorted(NUMERALS))[0]
    assert "Read in ImageFolder's order" in best and "fit 24 of 24" in best and "imagefolder" in best
    assert "as indices" in other and "fit 4 of 24" in other
    assert asked(tmp_path, KINDS, sorted(NUMERALS), "imagefolder") == ([], 1.0)
    best, other = asked(tmp_path, KINDS, NUMERALS)[0]
    assert "Read as indices" in best and "images.labels: folder" in best and "ImageFolder" in other
    assert asked(tmp_path, KINDS, NUMERALS, "folder") == ([], 1.0)
    (said,), right = asked(tmp_path, KINDS, sorted(NUMERALS), "folder")
    assert right == 4 / 24 and "4 of 24 answers are right" in said and "images.labels: imagefolder" in said


def test_numbered_folders_from_one_on_of_named_classes(tmp_path):
    numerals = [str(n) for n in range(1, 13)]
    pictures(tmp_path, *(f"{name}/a.png" for name in numerals))
    notes = indices(tmp_path, classes=KINDS)[1]
    assert "images.first_index: 1" in notes and "images.labels: imagefolder" in notes
    best, other = asked(tmp_path, KINDS, numerals)[0]
    assert "as counted from 1" in best and "images.first_index: 1" in best and "fit 12 of 12" in best
    assert "ImageFolder" in other
    assert asked(tmp_path, KINDS, numerals, first_index=1) == ([], 1.0)
    assert "counted from 1, as the recipe says" in indices(tmp_path, classes=KINDS, first_index=1)[1]
    with pytest.raises(InputError, match="folder 12: no class"):
        indices(tmp_path, classes=KINDS, first_index=0)


@pytest.mark.parametrize("listed", [NUMERALS, sorted(NUMERALS)])
def test_a_list_of_classes_in_the_other_order_than_the_network_s(tmp_path, listed):
    other = sorted(listed, key=int if listed == sorted(NUMERALS) else str)
    pictures(tmp_path, *(f"{name}/a.png" for name in NUMERALS))
    (said,), right = asked(tmp_path, tuple(listed), other)
    assert (
        right == 2 / 12 and "fit 12 of 12" in said and f'model.classes: ["{other[0]}", "{other[1]}"' in said
    )
    assert asked(tmp_path, tuple(other), other) == ([], 1.0)  # the remedy
    assert asked(tmp_path, tuple(listed), listed) == ([], 1.0)


def test_numbers_before_names_and_a_list_of_classes_in_their_order(tmp_path):
    classes = tuple("ant bee cat doe eel fox gnu hen ibis jay kite".split())
    folders = [f"{n}_{name}" for n, name in enumerate(classes, 1)]
    pictures(tmp_path, *(f"{name}/a.png" for name in folders))
    (said,), right = asked(tmp_path, classes, sorted(folders))
    assert right == 0 and "model.classes: [jay, kite, ant, bee" in said
    assert asked(tmp_path, classes, folders) == ([], 1.0)


def test_a_gain_that_chance_can_give_is_no_reason_to_doubt_the_names(tmp_path):
    """Three answers gained and one lost are within chance."""
    reading = Reading("otherwise", "x", dict(enumerate([1, 0, 3, 2])), unlikely=True)
    used = dict(enumerate(range(4)))
    assert agreement([reading], used, dict(enumerate([1, 0, 3, 3]))) == []
    assert agreement([reading._replace(unlikely=False)], used, dict(enumerate([1, 0, 3, 3]))) != []


def test_up_to_ten_numbers_have_one_order(tmp_path):
    pictures(tmp_path, *(f"{n}/a.png" for n in range(3)))
    assert indices(tmp_path, classes=UNNAMED)[2] == ()


def test_a_reading_that_fits_nothing_better_is_not_proposed():
    reading = Reading("as text", "x", {0: 1, 1: 0})
    assert agreement([reading], {0: 0, 1: 1}, {0: 0, 1: 1}) == []
    assert agreement([reading], {0: None, 1: None}, {0: 1, 1: 0}) == [
        "Read as text, the folders fit 2 of 2 answers: for that set x."
    ]


def test_one_picture_under_two_labels_is_said(tmp_path):
    pictures(tmp_path, "rose/a.png", "tulip/b.png")
    (tmp_path / "tulip" / "copy.png").write_bytes((tmp_path / "rose" / "a.png").read_bytes())
    (tmp_path / "rose" / "again.png").write_bytes((tmp_path / "rose" / "a.png").read_bytes())
    _, notes, _ = indices(tmp_path)
    assert "Identical pictures" in notes and "tulip/copy.png (tulip)" in notes


# -- lists --------------------------------------------------------------------------------------------


def listed(folder: Path, text: str | bytes, name: str = "set.csv") -> Path:
    pictures(folder, "im/a.png", "im/b.png", "im/c.png")
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath;label\r\nim\\a.png;rose\r\nim\\b.png;tulip\r\n",
        "sep=;\r\npath;label\r\nim/a.png;rose\r\nim/b.png;tulip\r\n",
        "sep=|\npath|label\nim/a.png|rose\nim/b.png|tulip\n",
        "file_name,label\nim/a.png,rose\nim/b.png,tulip\n",
        "image_path,class_name\nim/a.png,Rose\nim/b.png,TULIP\n",
        ",path,label\n0,im/a.png,0.0\n1,im/b.png,1.0\n2,im/c.png,\n",
        "path,label\nim/a.png,0\nim/b.png,1\nim/c.png,nan\n",
        "path\tlabel\nim/a.png\trose\nim/b.png\ttulip\n".encode("utf-16"),
    ],
)
def test_lists_as_people_have_them(tmp_path, text):
    found, _, _ = indices(listed(tmp_path, text))
    assert (found["im/a.png"], found["im/b.png"]) == (0, 1)
    assert found.get("im/c.png") is None


def test_a_fraction_is_no_label_and_the_line_is_said(tmp_path):
    with pytest.raises(InputError, match=r"set\.csv:3: unknown class '1\.5'"):
        indices(listed(tmp_path, "sep=;\npath;label\nim/a.png;1.5\n"))


def test_a_class_that_is_named_like_a_number_comes_first(tmp_path):
    found, _, _ = indices(listed(tmp_path, "path,label\nim/a.png,1.0\n"), classes=("1.0", "0.0", "2.0"))
    assert found["im/a.png"] == 0


def test_backslashes_in_file_lists_and_in_names(tmp_path):
    found = surveyed(listed(tmp_path, b"im\\a.png\r\nim\\b.png\r\n", "set.txt"), "none", FLOWERS, tmp_path)
    assert [(file.shown, file.reason) for file in found.files] == [("im/a.png", None), ("im/b.png", None)]
    pictures(tmp_path, "odd\\name.png")  # a name of its own on this system
    (tmp_path / "set.txt").write_text("odd\\name.png\n")
    (file,) = surveyed(tmp_path / "set.txt", "none", FLOWERS, tmp_path).files
    assert file.reason is None


# -- class files --------------------------------------------------------------------------------------

NAMES = ("red", "green", "blue")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "red\ngreen\nblue\n"),
        ("a.txt", "0 red\n1 green\n2 blue\n"),
        ("a.txt", "2: blue\n0: red\n1: green\n"),
        ("a.txt", "1. red\n2. green\n3. blue\n"),
        ("a.txt", "{0: 'red',\n 1: 'green',\n 2: 'blue'}\n"),
        ("a.txt", '["red", "green", "blue"]'),
        ("a.txt", "n0001 red\nn0002 green\nn0003 blue\n"),
        ("a.json", '["red",\n"green",\n"blue"]'),
        ("a.json", '{"blue": 2, "green": 1, "red": 0}'),
        ("a.json", '{"0": "red", "1": "green", "2": "blue"}'),
        ("a.json", '{"0": ["n0001", "red"], "1": ["n0002", "green"], "2": ["n0003", "blue"]}'),
        ("a.json", '{"model_type": "vit", "id2label": {"0": "red", "1": "green", "2": "blue"}}'),
        ("a.yaml", "names:\n  0: red\n  1: green\n  2: blue\n"),
        ("a.yml", "- red\n- green\n- blue\n"),
        ("a.csv", "index,name\n0,red\n1,green\n2,blue\n"),
        ("a.csv", "name;id\nblue;2\nred;0\ngreen;1\n"),
        ("a.csv", "0,red\n1,green\n2,blue\n"),
        ("a.csv", "name\nred\ngreen\nblue\n"),
        ("a.tsv", "red\ngreen\nblue\n"),
        ("a.txt", "red 0\ngreen 1\nblue 2\n"),
        ("a.txt", "blue,2\nred,0\ngreen,1\n"),
        ("a.txt", "red,\ngreen,\nblue,\n"),
        ("a.txt", "red, green, blue\n"),
        ("a.txt", '"red"\n"green"\n"blue"\n'),
        ("a.txt", "# the classes\nred\ngreen\nblue\n"),
        ("a.py", "CLASSES = (\n  'red', 'green',\n  'blue',\n)\n"),
        ("a.toml", 'names = ["red", "green", "blue"]\n'),
        (
            "a.pbtxt",
            "item {\n  id: 2\n  name: 'green'\n}\nitem { id: 1 name: 'red' }\n"
            'item {\n  name: "/m/1"\n  id: 3\n  display_name: "blue"\n}\n',
        ),
        ("a.json", '{"1": "red", "2": "green", "3": "blue"}'),
        ("a.json", '{"red": 0.0, "green": 1.0, "blue": 2.0}'),
        ("a.yaml", "1: red\n2: green\n3: blue\n"),
        ("a.csv", "id,name\n1,red\n2,green\n3,blue\n"),
        ("a.csv", "ClassId,SignName\n0,red\n1,green\n2,blue\n"),
        ("a.csv", "Nummer;Farbe\n0;red\n1;green\n2;blue\n"),
        ("a.csv", "/m/01,red\n/m/02,green\n/m/03,blue\n"),
        ("a.csv", "LabelName,DisplayName\n/m/01,red\n/m/02,green\n/m/03,blue\n"),
    ],
)
def test_class_files_in_every_usual_form(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert class_names.names(name, tmp_path) == NAMES


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_class_files_in_windows_encodings(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("Käfer\r\nbee\r\nGröße\r\n".encode(encoding))
    assert class_names.names("a.txt", tmp_path) == ("Käfer", "bee", "Größe")
    assert bool(class_names.notes("a.txt", tmp_path)) is (encoding == "cp1252")


def test_names_that_end_in_a_number_keep_it(tmp_path):
    for text in ("grade 0\ngrade 1\ngrade 2\n", "boeing 737\nairbus 320\n", "a 0\nb 0\n", "a 1\nb 2\n"):
        (tmp_path / "a.txt").write_text(text)
        assert class_names.names("a.txt", tmp_path) == tuple(text.splitlines())


def test_numbers_from_1_in_no_order_have_two_readings_and_the_remedy_works(tmp_path):
    numbers = [*range(3, 13), 1, 2]
    (tmp_path / "a.json").write_text(json.dumps({str(n): f"flower {n}" for n in numbers}))
    with pytest.raises(RecipeError) as refused:
        class_names.names("a.json", tmp_path)
    assert "count from 1 and stand in no order" in refused.value.cause
    assert "10 before 2" in refused.value.remedy
    (tmp_path / "a.json").write_text(json.dumps([f"flower {n}" for n in sorted(map(str, numbers))]))
    assert class_names.names("a.json", tmp_path)[1] == "flower 10"


def test_codes_beside_names_are_ids(tmp_path):
    (tmp_path / "a.csv").write_text("/m/01,red\n/m/02,green\n/m/03,blue\n")
    ids = class_names.ids("a.csv", tmp_path, NAMES)
    (tmp_path / "l.csv").write_text("ImageID,LabelName\na,/m/03\n")
    found = surveyed(pictures(tmp_path / "im", "a.png"), "l.csv", NAMES, tmp_path, ids=ids)
    assert [file.label_index for file in found.files] == [2]


def test_a_number_that_is_part_of_the_names_stays(tmp_path):
    (tmp_path / "a.txt").write_text("0 hours\n1 hours\n2 hours\n")
    assert class_names.names("a.txt", tmp_path) == ("0 hours", "1 hours", "2 hours")
    (tmp_path / "a.txt").write_text("3 red\n7 green\n")
    assert class_names.names("a.txt", tmp_path) == ("3 red", "7 green")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names:\n  0: no\n  1: yes\n", ("no", "yes")),
        ("names: [on, off, null, 1.5, 010]\n", ("on", "off", "null", "1.5", "010")),
        ("no: 1\nyes: 0\n", ("yes", "no")),
        ("names: [7, 1, 2]\n", ("7", "1", "2")),
        ("- 2024-01-01\n- 1:30\n", ("2024-01-01", "1:30")),
    ],
)
def test_names_in_yaml_are_text(tmp_path, text, names):
    (tmp_path / "a.yaml").write_text(text)
    assert class_names.names("a.yaml", tmp_path) == names


def test_the_way_a_list_was_read_is_said(tmp_path):
    (tmp_path / "a.txt").write_text("0 red\n1 green\n")
    assert "number before each class name" in class_names.notes("a.txt", tmp_path)[0]
    (tmp_path / "a.txt").write_text("red\ngreen\n")
    assert class_names.notes("a.txt", tmp_path) == []


def test_names_that_are_numbers_are_told_from_indices(tmp_path):
    names = sorted(str(n) for n in range(12))
    (tmp_path / "a.json").write_text(json.dumps({name: n for n, name in enumerate(names)}))
    assert class_names.names("a.json", tmp_path) == tuple(names)
    (tmp_path / "a.json").write_text('{"0": "1", "1": "2", "2": "0"}')
    with pytest.raises(RecipeError, match="cannot be told apart"):
        class_names.names("a.json", tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "{"),
        ("a.json", '{"red": 0, "green": 2}'),
        ("a.json", '{"a": "b"}'),
        ("a.yaml", "a: &x [1]\nb: *x\n"),
        ("a.yaml", "3"),
        ("a.csv", "index,name\n0,red\n0,green\n"),
        ("a.csv", "x,y,z\n1,2,3\n"),
        ("a.txt", "[1, 2"),
        ("a.xml", "<annotation/>"),
        ("a.pbtxt", "item { id: 1 name: 'a' } item { id: 3 name: 'b' }"),
    ],
)
def test_class_files_that_cannot_be_read_say_what_can(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(RecipeError, match=r"model\.classes") as caught:
        class_names.names(name, tmp_path)
    assert "one name a line" in caught.value.remedy and "\n" not in caught.value.cause


def test_a_synset_files_ids_are_labels_too(tmp_path):
    (tmp_path / "s.txt").write_text("n0001 red\nn0002 green\nn0003 blue\n")
    ids = class_names.ids("s.txt", tmp_path, NAMES)
    assert ids == ("n0001", "n0002", "n0003")
    found, _, _ = indices(pictures(tmp_path / "im", "n0003/a.png"), classes=NAMES, ids=ids)
    assert found == {"n0003/a.png": 2}


def test_a_thousand_and_one_classes_have_a_background():
    found = class_names.check(class_names.imagenet(), 1001)
    assert found[:2] == ("background", "tench")
    with pytest.raises(InputError, match="1002 classes"):
        class_names.check(class_names.imagenet(), 1002)

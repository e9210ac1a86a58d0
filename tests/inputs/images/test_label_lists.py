"""Lists of labels as people have them: columns a class, annotations, other names for paths and labels; what
is read, what is counted and said, and that remedies work when followed to the letter."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from reportgen.engine.network.head import Head
from reportgen.errors import InputError
from reportgen.inputs.classes import names as class_names
from reportgen.inputs.classes.orders import agreement
from reportgen.inputs.images.columns import columns
from reportgen.inputs.images.survey import Surveyed, none_readable, surveyed
from reportgen.text import UnknownEncoding, decoded

ANIMALS = ("ant", "bee", "cat")
FILES = ("a.jpg", "b.jpg", "c.jpg")
UNNAMED = ("class 0", "class 1", "class 2")
SIGMOID = Head(kind="labels", asked="sigmoid")


def pictures(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(folder / name, "PNG")
    return folder


def read(folder: Path, text: str, classes=ANIMALS, name: str = "labels.csv", files=FILES, **more) -> Surveyed:
    """The set of the folder `im`, its labels in a list beside it."""
    pictures(folder / "im", *files)
    (folder / name).write_text(text, encoding="utf-8")
    return surveyed(folder / "im", name, classes, folder, **more)


def indices(found: Surveyed) -> list[int | None]:
    return [file.label_index for file in found.files]


def said(found: Surveyed) -> str:
    return " ".join(found.notes)


# -- a column a class ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "image,ant,bee,cat\na,0,1,0\nb,0,0,1\nc,1,0,0\n",
        "image;CAT;ANT;BEE\na;0.0;0.0;1.0\nb;1.0;0.0;0.0\nc;0.0;1.0;0.0\n",
        ",id,Ant,Bee,Cat,split\n0,a,False,True,False,x\n1,b,False,False,True,x\n2,c,True,False,False,y\n",
    ],
)
def test_one_1_a_row_is_one_class(tmp_path, text):
    found = read(tmp_path, text)
    assert indices(found) == [1, 2, 0] and found.head.kind == "classes"
    assert "the 3 columns of labels.csv that are called like classes" in said(found)


def test_several_1s_are_several_labels_and_none_is_none(tmp_path):
    found = read(tmp_path, "image,ant,bee,cat\na,1,1,0\nb,0,0,1\nc,0,0,0\n")
    assert [file.labels for file in found.files] == [(0, 1), (2,), ()]
    assert found.head.kind == "labels"
    alone = read(tmp_path, "image,ant,bee,cat\na,0,1,0\nb,0,0,1\nc,0,0,0\n", head=SIGMOID)
    assert [file.labels for file in alone.files] == [(1,), (2,), ()]


def test_rows_without_a_1_unsure_ones_and_gaps_are_counted(tmp_path):
    found = read(tmp_path, "image,ant,bee,cat,unk\na,0,1,0,0\nb,0,0,0,1\nc,1,0,0,0\n")
    assert indices(found) == [1, None, 0]
    assert "1 rows have no 1" in said(found) and "unk" in said(found)
    found = read(tmp_path, "image,ant,bee,cat\na,1,1,0\nb,-1,1,0\nc,,,1\n")  # as CheXpert has them
    assert [file.labels for file in found.files] == [(0, 1), None, (2,)]
    assert "1 rows hold -1" in said(found) and "2 empty cells" in said(found)


def test_columns_of_other_numbers_are_no_labels_and_said(tmp_path):
    with pytest.raises(InputError) as refused:
        read(tmp_path, "image,ant,bee,cat\na,0.2,0.8,0\nb,0,0,1\n")
    assert "hold other numbers than 0 and 1" in refused.value.remedy


def test_of_two_classes_one_column_is_enough(tmp_path):
    for column, expected in (("defect", [1, 0, None]), ("good", [0, 1, None])):
        found = read(tmp_path, f"image,{column}\na,1\nb,0\nc,\n", classes=("good", "defect"))
        assert indices(found) == expected, column
        assert f"the column {column}" in said(found)


def test_columns_without_class_names_are_proposed_and_the_proposal_works(tmp_path):
    text = "image,MEL,NV,BCC\na,0,1,0\nb,0,0,1\nc,1,0,0\n"
    with pytest.raises(InputError) as refused:
        read(tmp_path, text, classes=UNNAMED)
    assert "set model.classes: [MEL, NV, BCC]" in refused.value.remedy
    assert indices(read(tmp_path, text, classes=("MEL", "NV", "BCC"))) == [1, 2, 0]


# -- which column -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "image_id,breed\na,bee\nb,cat\n",  # the column whose every text is a class
        "Image Index,Finding Labels\na.jpg,bee\nb.jpg,cat\n",
        "id,class_id,class_name\na,1,bee\nb,2,cat\n",  # both say the same
        "Filename;Width;ClassId\na.jpg;4;1\nb.jpg;4;2\n",
        ",image_id,path,label\n0,77,a.jpg,bee\n1,78,b.jpg,cat\n",
        "path\tlabel\na.jpg\tbee\nb.jpg\tcat\n",
        "path\tlabel\tnote, if any\na.jpg\tbee\t\nb.jpg\tcat\tx,y\n",
    ],
)
def test_columns_by_other_names(tmp_path, text):
    assert indices(read(tmp_path, text)) == [1, 2, None]


def test_columns_that_do_not_agree_are_never_chosen_from(tmp_path):
    with pytest.raises(InputError) as refused:
        read(tmp_path, "path,class_id,class_name\na.jpg,1,bee\nb.jpg,1,cat\n")
    assert "class_id and class_name could be meant" in refused.value.cause
    assert indices(read(tmp_path, "path,class_id,label\na.jpg,1,bee\nb.jpg,1,cat\n")) == [1, 2, None]
    with pytest.raises(InputError, match="no column is named 'label'"):  # two of names
        read(tmp_path, "path,before,after\na.jpg,bee,cat\n")


def test_a_cell_too_many_is_refused_and_quotes_mend_it(tmp_path):
    classes = ("tench, Tinca tinca", "crane", "crane, machine")
    with pytest.raises(InputError) as refused:
        read(tmp_path, "path,label\na.jpg,tench, Tinca tinca\n", classes)
    assert "labels.csv:2: 3 cells" in refused.value.cause and "double quotes" in refused.value.remedy
    found = read(tmp_path, 'path,label\na.jpg,"tench, Tinca tinca"\nb.jpg,tench\nc.jpg,crane\n', classes)
    assert indices(found) == [0, 0, 1] and "one of several names" in said(found)


def test_lines_of_a_path_and_a_name_of_several_words(tmp_path):
    classes = ("tench, Tinca tinca", "great white shark", "bee")
    text = "a.jpg tench, Tinca tinca\nb.jpg great white shark\nc.jpg 2\n"
    assert indices(read(tmp_path, text, classes, "labels.txt")) == [0, 1, 2]


def test_groups_stand_in_the_same_list(tmp_path):
    found = read(tmp_path, "image_id,breed,site\na,bee,x\nb,cat,y\n")
    groups = columns(tmp_path / "labels.csv", found.files, tmp_path / "im")
    assert groups["site"] == {0: "x", 1: "y", 2: ""}


# -- which image --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("listed", "files"),
    [
        ("{}", ("a.jpg", "b.jpg")),
        ("{}", ("part_1/a.png", "part_2/b.png")),
        ("{}.JPG", ("a.jpg", "b.jpg")),
        ("{}.jpg", ("a.JPG", "b.JPG")),
        ("C:\\data\\photos\\{}.jpg", ("a.jpg", "b.jpg")),
        ("/content/drive/My Drive/x/{}.jpg", ("x/a.jpg", "x/b.jpg")),
        ("https://some.where/photos/{}.jpg?size=2", ("a.jpg", "b.jpg")),
        ("photos/my%20{}.jpg", ("my a.jpg", "my b.jpg")),
    ],
)
def test_paths_by_the_files_names(tmp_path, listed, files):
    lines = [f'"{listed.format(name)}",{label}\n' for name, label in (("a", "bee"), ("b", "cat"))]
    found = read(tmp_path, "path,label\n" + "".join(lines), files=files)
    assert indices(found) == [1, 2]
    assert "could only be matched by their files' names" in said(found)


@pytest.mark.parametrize(("listed", "there"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_in_their_other_form(tmp_path, listed, there):
    name = unicodedata.normalize(listed, "é.jpg")
    found = read(tmp_path, f"path,label\n{name},bee\n", files=(unicodedata.normalize(there, "é.jpg"),))
    assert indices(found) == [1]
    (tmp_path / "im" / "set.csv").write_text(f"path,label\n{name},bee\n", encoding="utf-8")
    own = surveyed(tmp_path / "im" / "set.csv", "auto", ANIMALS, tmp_path)
    assert [(file.reason, file.label_index) for file in own.files] == [(None, 1)]
    assert "are written otherwise" in said(own)


def test_ids_in_the_sets_own_list(tmp_path):
    pictures(tmp_path, "photos/a.JPG", "photos/b.png", "photos/b.jpg")
    (tmp_path / "set.csv").write_text("path,label\nPhotos/a,bee\nphotos/b,cat\n")
    found = surveyed(tmp_path / "set.csv", "auto", ANIMALS, tmp_path)
    assert [(file.shown, file.reason, file.label_index) for file in found.files] == [
        ("photos/a.JPG", None, 1),
        ("photos/b", "there is no such file", 2),  # two files could be meant
    ]


def test_a_name_that_two_images_have_or_two_rows_mean_is_not_matched(tmp_path):
    found = read(tmp_path, "path,label\na,bee\nc,cat\n", files=("x/a.jpg", "y/a.jpg", "x/c.jpg"))
    assert indices(found) == [None, 2, None]
    text = "path,label\nbee/1.jpg,bee\ncat/1.jpg,cat\n2.jpg,ant\n"
    found = read(tmp_path / "2", text, files=("1.jpg", "2.jpg"))
    assert indices(found) == [None, 0]


def test_another_split_is_another_image(tmp_path):
    with pytest.raises(InputError, match="no row names an image"):
        read(tmp_path, "path,label\ntrain/a.jpg,bee\ntrain/b.jpg,cat\n")


def test_what_is_listed_and_missing_there_and_not_listed_or_repeated_is_counted(tmp_path):
    found = read(tmp_path, "path,label\na.jpg,bee\na.jpg,bee\nx.jpg,cat\n")
    assert indices(found) == [1, None, None]
    for words in ("1 rows of the label CSV name an image again", "1 rows of the label CSV name no image"):
        assert words in said(found)
    assert "2 of the set's 3 images are not listed" in said(found)


def test_a_row_a_label_is_joined_where_labels_stand_by_themselves(tmp_path):
    text = "path,label\na.jpg,ant\na.jpg,bee\nb.jpg,cat\n"
    found = read(tmp_path, text, head=SIGMOID)
    assert [file.labels for file in found.files] == [(0, 1), (2,), None]
    with pytest.raises(InputError, match="for the same image"):
        read(tmp_path, text)


def test_a_list_whose_images_lie_elsewhere_says_how_to_give_it(tmp_path):
    read(tmp_path, "path,label\na.jpg,bee\n")
    with pytest.raises(InputError) as refused:
        surveyed(tmp_path / "labels.csv", "auto", ANIMALS, tmp_path)
    assert "--labels labels.csv" in refused.value.remedy


def test_a_list_that_lies_among_the_images_is_named(tmp_path):
    pictures(tmp_path, "a.jpg")
    (tmp_path / "train.csv").write_text("path,label\na.jpg,bee\n")
    assert f"--labels {tmp_path / 'train.csv'}" in said(surveyed(tmp_path, "auto", ANIMALS, tmp_path))
    assert indices(surveyed(tmp_path, str(tmp_path / "train.csv"), ANIMALS, tmp_path)) == [1]


# -- annotations --------------------------------------------------------------------------------------


def coco(*categories: tuple[int, int]) -> str:
    names = {3: "bee", 1: "ant", 90: "cat"}
    return json.dumps(
        {
            "images": [{"id": n, "file_name": f"{name}.jpg"} for n, name in enumerate("abc")],
            "annotations": [{"image_id": image, "category_id": one} for image, one in categories],
            "categories": [
                {"id": number, "name": name, "supercategory": "x"} for number, name in names.items()
            ],
        }
    )


def test_annotations_of_one_category_an_image_are_labels(tmp_path):
    found = read(tmp_path, coco((0, 3), (0, 3), (1, 90)), name="val.json")
    assert indices(found) == [1, 2, None] and found.head.kind == "classes"
    assert "1 images have no annotation and are read as not labelled" in said(found)
    own = (tmp_path / "val.json").rename(tmp_path / "im" / "val.json")  # the list as the set
    assert indices(surveyed(own, "auto", ANIMALS, tmp_path)) == [1, 2, None]


def test_annotations_of_several_categories_are_several_labels(tmp_path):
    found = read(tmp_path, coco((0, 3), (0, 1), (1, 90)), name="val.json")
    assert [file.labels for file in found.files] == [(0, 1), (2,), ()] and found.head.kind == "labels"


def test_categories_name_the_classes_in_the_order_of_their_ids(tmp_path):
    with pytest.raises(InputError) as refused:
        read(tmp_path, coco((0, 3)), UNNAMED, "val.json")
    assert "set model.classes: val.json" in refused.value.remedy
    assert class_names.names("val.json", tmp_path) == ANIMALS
    assert "order of their ids" in class_names.notes("val.json", tmp_path)[0]


@pytest.mark.parametrize(
    "text",
    [
        *("[]", "{", '{"images": [], "annotations": [], "categories": []}'),
        *(coco((0, 4)), coco().replace("file_", "f_")),
    ],
)
def test_annotations_of_another_form_are_refused_in_words(tmp_path, text):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text, name="val.json")
    assert "COCO" in refused.value.remedy


# -- numbers from one ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "l.jsonl",
            '{"file_name": "a.jpg", "label": "bee"}\n\n{"file_name": "c.jpg", "label": "ant", "x": {}}\n',
        ),
        ("l.ndjson", '{"id": "a", "Class": "Bee", "size": [3, 4]}\r\n{"id": "c", "Class": "ant"}\r\n'),
        ("l.json", '[{"image": "a.jpg", "category": "bee"}, {"image": "c.jpg", "category": "ant"}]'),
        ("l.json", '[{"path": "a.jpg", "label": 1}, {"path": "c.jpg", "label": 0}, {"path": "b.jpg"}]'),
        ("l.json", '{"a.jpg": "bee", "c.jpg": "ant", "b.jpg": null}'),
        ("l.json", '{"bee": ["a.jpg"], "ant": ["c.jpg"]}'),
    ],
)
def test_records_in_json_and_in_lines_of_it(tmp_path, name, text):
    assert indices(read(tmp_path, text, name=name)) == [1, None, 0]


def test_several_labels_in_a_record_and_its_groups(tmp_path):
    text = '{"path": "a.jpg", "label": ["ant", "cat"], "site": "A"}\n{"path": "b.jpg", "label": []}\n'
    found = read(tmp_path, text, name="l.jsonl", head=SIGMOID)
    assert found.files[0].labels == (0, 2)
    assert columns(tmp_path / "l.jsonl", found.files, tmp_path / "im") == {"site": {0: "A", 1: "", 2: ""}}


def test_lines_of_json_as_the_set_itself_and_in_it(tmp_path):
    pictures(tmp_path, *FILES)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "b.jpg", "label": 2}\n')
    found = surveyed(tmp_path / "metadata.jsonl", "auto", ANIMALS, tmp_path)
    assert [(file.shown, file.label_index) for file in found.files] == [("b.jpg", 2)]
    beside = surveyed(tmp_path, "auto", ANIMALS, tmp_path)
    assert "If metadata.jsonl has them, give --labels" in said(beside)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"path": "a.jpg"}\n{"path"', "l.jsonl:2"),
        ('{"path": ""}', "l.jsonl:1: the path is empty"),
        ("[1]", "l.jsonl:1: no object"),
        ('{"a": "b"}', "no record has a path that can be told"),
    ],
)
def test_lines_of_json_that_are_refused_say_which(tmp_path, text, place):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text, name="l.jsonl")
    assert place in refused.value.cause


# -- numbers ------------------------------------------------------------------------------------------


def test_numbers_of_another_numbering_beside_names_are_not_indices(tmp_path):
    text = "filename,label,label_name\na.jpg,2,ant\nb.jpg,0,bee\nc.jpg,1,cat\n"
    found = read(tmp_path, text)
    assert indices(found) == [0, 1, 2]
    assert "has 0 where label_name has bee, so its numbers are not the model's indices" in said(found)
    fits = read(tmp_path, "filename,label,label_name\na.jpg,0,ant\nb.jpg,1.0,bee\nc.jpg,,cat\n")
    assert indices(fits) == [0, 1, None] and "not the model's" not in said(fits)
    with pytest.raises(InputError, match="beside two of the other"):
        read(tmp_path, "filename,label,label_name\na.jpg,2,ant\nb.jpg,2,bee\n")


def test_a_column_of_predictions_says_nothing_of_the_labels_numbers(tmp_path):
    found = read(tmp_path, "path,label,prediction\na.jpg,0,bee\nb.jpg,1,bee\nc.jpg,2,ant\n")
    assert indices(found) == [0, 1, 2]


def test_numbers_from_1_to_the_number_of_classes_are_counted_from_one(tmp_path):
    found = read(tmp_path, "path,label\na.jpg,1\nb.jpg,3\nc.jpg,2.0\n")
    assert indices(found) == [0, 2, 1] and "counted from 1: 1 is ant" in said(found)
    assert indices(read(tmp_path, "path,label\na.jpg,1\nb.jpg,3\n", ("3", "2", "1"))) == [2, 0, None]  # names


def test_where_both_readings_are_possible_the_answers_speak(tmp_path):
    text = "path,label\na.jpg,1\nb.jpg,2\nc.jpg,2\n"
    found = read(tmp_path, text)
    assert indices(found) == [1, 2, 2]
    used = {file.number: file.label_index for file in found.files}
    (note,) = agreement(found.readings, used, {0: 0, 1: 1, 2: 1})
    assert "read as counted from 1, the labels fit 3 of 3 answers" in note and "images.first_index: 1" in note
    assert agreement(found.readings, used, {0: 1, 1: 2, 2: 2}) == []
    assert indices(read(tmp_path, text, first_index=1)) == [0, 1, 1]


def test_one_number_too_high_is_a_mistake_or_a_count_from_one_and_both_are_named(tmp_path):
    text = "path,label\na.jpg,2\nb.jpg,3\n"
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert "labels.csv:3: unknown class '3'" in refused.value.cause
    assert "images.first_index: 1" in refused.value.remedy
    assert indices(read(tmp_path, text, first_index=1)) == [1, 2, None]


def test_a_first_index_that_cannot_be_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv:2: label '0', but images\.first_index is 1"):
        read(tmp_path, "path,label\na.jpg,0\n", first_index=1)
    with pytest.raises(InputError, match=r"label '4', counted from 1, but the model has 3 classes"):
        read(tmp_path, "path,label\na.jpg,4\n", first_index=1)
    with pytest.raises(InputError, match="unknown class '3'"):
        read(tmp_path, "path,label\na.jpg,1\nb.jpg,3\n", first_index=0)


def test_several_numbers_an_image_are_counted_the_same_way(tmp_path):
    found = read(tmp_path, "path,label\na.jpg,1|3\nb.jpg,2\n", head=SIGMOID)
    assert [file.labels for file in found.files] == [(0, 2), (1,), None]


# -- folders ------------------------------------------------------------------------------------------


def folders(folder: Path, *names: str, classes=ANIMALS, **more) -> Surveyed:
    return surveyed(pictures(folder, *(f"{name}/x.jpg" for name in names)), "auto", classes, folder, **more)


@pytest.mark.parametrize(
    "names",
    [("00_ant", "01_bee", "02_cat"), ("1. ant", "2. bee", "3. cat"), ("003.Cat", "001.Ant", "002-Bee")],
)
def test_a_number_before_a_folders_name_does_not_count(tmp_path, names):
    found = folders(tmp_path, *names)
    assert [file.label for file in found.files] == ["ant", "bee", "cat"]
    assert "The number before a name does not count" in said(found)


def test_class_names_with_numbers_and_folders_without(tmp_path):
    found = folders(tmp_path, "ant", "cat", classes=("1. ant", "2. bee", "3. cat"))
    assert indices(found) == [0, 2]


def test_a_number_that_is_part_of_a_name_stays(tmp_path):
    assert indices(folders(tmp_path, "2 ants", "3 ants", classes=("3 ants", "2 ants"))) == [1, 0]


def test_ids_with_a_name_behind(tmp_path):
    ids = ("n01440764", "n01443537", "n01484850")
    found = folders(tmp_path, "n01443537-goldfish", "n01440764 tench", ids=ids, classes=("t", "g", "s"))
    assert indices(found) == [0, 1]


def test_numbered_folders_without_class_names_have_two_orders_and_each_remedy_works(tmp_path):
    names = ("1. ant", "2. bee", "10. cat")
    found = folders(tmp_path, *names, classes=UNNAMED)
    assert indices(found) == [None] * 3
    notes = agreement(found.readings, {}, {file.number: n for n, file in enumerate(found.files)})
    assert any("images.labels: imagefolder" in note for note in notes)
    by_number = agreement(found.readings, {}, {0: 0, 1: 2, 2: 1})
    assert any('model.classes: ["1. ant", "2. bee", "10. cat"]' in note for note in by_number)
    assert [f.label_index for f in surveyed(tmp_path, "auto", names, tmp_path).files] == [0, 2, 1]


# -- columns by what they hold ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.csv", "a.jpg,1\nb.jpg,2\n"),  # no line of heads
        ("labels.csv", "bee,a.jpg\ncat,b.jpg\n"),
        ("labels.csv", "0;a.jpg;bee\n1;b.jpg;cat\n"),
        ("labels.tsv", "a.jpg\tbee\nb.jpg\tcat\n"),
        ("labels.csv", "TEST,gs://bucket/im/a.jpg,bee\nTEST,gs://bucket/im/b.jpg,cat\n"),
        ("labels.csv", "Datei;Klasse\na.jpg;bee\nb.jpg;cat\n"),  # heads in other languages
        ("labels.csv", "文件名,类别\na.jpg,bee\nb.jpg,cat\n"),
        ("labels.csv", "fichier;lieu;étiquette\na.jpg;x;bee\nb.jpg;y;cat\n"),
        ("labels.csv", "# written by a script\n\npath,label\na.jpg,bee\nb.jpg,cat\n"),
        ("labels.csv", "# path,label\na.jpg,bee\nb.jpg,cat\n"),  # numpy.savetxt
        ("labels.txt", "filename,label\na.jpg,bee\nb.jpg,cat\n"),
        ("labels.txt", "path label\na.jpg bee\nb.jpg cat\n"),
        ("labels.txt", "# file, class\na.jpg bee\nb.jpg cat\n"),
        ("labels.csv", "filename,label_ant,label_bee,label_cat\na.jpg,0,1,0\nb.jpg,0,0,1\n"),  # get_dummies
        ("labels.csv", "image_name,tags\na,bee\nb,cat\n"),
        ("l.json", '{"classes": ["ant", "bee", "cat"], "labels": {"a": 1, "b": 2}}'),
        ("l.json", '{"labels": [["a.jpg", 1], ["b.jpg", 2]]}'),
        ("l.json", '{"metainfo": {"classes": ["ant"]}, "data_list": [{"img_path": "a.jpg", "gt_label": 1}, '
         '{"img_path": "b.jpg", "gt_label": 2}]}'),
        ("l.json", '[["a.jpg", "bee"], ["b.jpg", "cat"]]'),
        ("l.json", '{"a.jpg": {"label": "bee", "site": 1}, "b.jpg": {"label": "cat", "site": 2}}'),
        ("l.json", '{"filename": {"0": "a.jpg", "1": "b.jpg"}, "label": {"0": "bee", "1": "cat"}}'),
        ("l.json", '[{"bild": "a.jpg", "klasse": "bee"}, {"bild": "b.jpg", "klasse": "cat"}]'),
    ],
)  # fmt: skip
def test_columns_and_records_by_what_they_hold(tmp_path, name, text):
    assert indices(read(tmp_path, text, name=name)) == [1, 2, None]


@pytest.mark.parametrize(
    ("text", "line"),
    [("a,bee\nb,cat\n", "path,label"), ("a;x;bee\nb;y;cat\n", "path;label;column 3")],
)
def test_a_line_of_heads_that_is_proposed_mends_the_list(tmp_path, text, line):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert f": `{line}`" in refused.value.remedy
    names = line.split(text[1])
    mended = text[1].join(["path", *(["site"] * (len(names) - 2)), "label"])  # in the order that the file has
    assert indices(read(tmp_path, f"{mended}\n{text}")) == [1, 2, None]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_encodings_of_windows(tmp_path, encoding):
    pictures(tmp_path / "im", *FILES)
    (tmp_path / "l.csv").write_bytes("path;label\r\na.jpg;Käfer\r\nb.jpg;Größe\r\n".encode(encoding))
    found = surveyed(tmp_path / "im", "l.csv", ("Käfer", "Größe", "à la carte"), tmp_path)
    assert indices(found) == [0, 1, None]
    assert ("is read as text of western Europe" in said(found)) is (encoding in ("cp1252", "latin-1"))


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("mac_roman", "café"),
        ("shift_jis", "ねこ"),
        ("cp1251", "кошка"),
        ("big5", "貓"),
        ("cp1250", "žlutý kůň"),
    ],
)
def test_other_encodings_are_never_read_as_western(encoding, text):
    with pytest.raises(UnknownEncoding):
        decoded(f"a.jpg,{text}\n".encode(encoding), "l.csv")


def test_values_by_their_columns(tmp_path):
    values = Head(kind="values")
    found = read(tmp_path, "file,age\na.jpg,35\nb.jpg,52.5\n", ("value",), head=values)
    assert [file.values for file in found.files] == [(35.0,), (52.5,), None]
    assert "Values are the column age" in said(found)
    found = read(tmp_path, "file,y,note,x\na.jpg,3,m,9\nb.jpg,,n,2\n", ("x", "y"), head=values)
    assert [file.values for file in found.files] == [(9.0, 3.0), None, None]
    with pytest.raises(InputError, match="no column is named 'label'"):
        read(tmp_path, "file,age,size\na.jpg,35,2\n", ("value",), head=values)
    with pytest.raises(InputError) as refused:
        read(tmp_path, "path;label\na.jpg;1,5\n", ("value",), head=values)
    assert "with a point" in refused.value.remedy
    assert read(tmp_path, "path;label\na.jpg;1.5\n", ("value",), head=values).files[0].values == (1.5,)


# -- a number for each class --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.csv", "path,label\na.jpg,0 1 1\nb.jpg,0 0 1\n"),
        ("l.txt", "a.jpg 0 1 1\nb.jpg 0 0 1\n"),
        ("l.json", '[{"path": "a.jpg", "label": [0, 1, 1]}, {"path": "b.jpg", "label": [0.0, 0.0, 1.0]}]'),
        (
            "l.jsonl",
            '{"path": "a.jpg", "label": [false, true, true]}\n{"path": "b.jpg", "label": [0, 0, 1]}\n',
        ),
    ],
)
def test_a_number_for_each_class_is_no_list_of_indices(tmp_path, name, text):
    found = read(tmp_path, text, name=name)
    assert [file.labels for file in found.files] == [(1, 2), (2,), None]
    assert "one a class" in said(found)


def test_one_1_of_all_numbers_is_the_one_class(tmp_path):
    text = "a.jpg 0 1 0\nb.jpg 0 0 1\nc.jpg 0 0 0\n"
    found = read(tmp_path, text, name="l.txt")
    assert indices(found) == [1, 2, None] and found.head.kind == "classes"
    found = read(tmp_path, text, name="l.txt", head=SIGMOID)
    assert [file.labels for file in found.files] == [(1,), (2,), ()]
    two = read(tmp_path, '[{"path": "a.jpg", "label": [1, 0]}]', ("good", "bad"), "l.json")
    assert indices(two) == [0, None, None]


def test_lists_of_indices_stay_what_they_are(tmp_path):
    found = read(tmp_path, "path,label\na.jpg,0|2\nb.jpg,1\n")
    assert [file.labels for file in found.files] == [(0, 2), (1,), None]
    with pytest.raises(InputError, match="names a class twice"):
        read(tmp_path, "a.jpg 1 2 1\nb.jpg 2 2 1\n", name="l.txt")


@pytest.mark.parametrize("words", [("True", "False"), ("1", "-1"), ("1.0", "-1.0"), ("+1", "-1")])
def test_truths_and_signs_are_two_classes(tmp_path, words):
    text = f"path,label\na.jpg,{words[0]}\nb.jpg,{words[1]}\nc.jpg,\n"
    found = read(tmp_path, text, ("good", "bad"))
    assert indices(found) == [1, 0, None] and "is bad" in said(found)
    with pytest.raises(InputError, match="unknown class"):
        read(tmp_path, text, ANIMALS)


def test_truths_that_are_classes_by_name_are_those(tmp_path):
    text = "path,label\na.jpg,True\nb.jpg,False\n"
    assert indices(read(tmp_path, text, ("True", "False"))) == [0, 1, None]
    assert indices(read(tmp_path, text, ("true", "false"))) == [0, 1, None]


def test_columns_of_predictions_are_no_labels(tmp_path):
    head = "filename,pred_ant,pred_bee,pred_cat"
    with pytest.raises(InputError, match="no column is named 'label'"):
        read(tmp_path, f"{head}\na.jpg,1,0,0\n")
    both = f"{head},y_ant,y_bee,y_cat\na.jpg,1,0,0,0,1,0\n"
    assert indices(read(tmp_path, both)) == [1, None, None]
    with pytest.raises(InputError, match="no column is named 'label'"):  # two could be meant
        read(tmp_path, both.replace("pred_", "z_"))


def test_a_path_that_begins_like_a_comment_is_none(tmp_path):
    found = read(tmp_path, "#1.jpg,bee\na.jpg,cat\n", files=("#1.jpg", "a.jpg"))
    assert indices(found) == [1, 2]


def test_columns_of_1_and_minus_1(tmp_path):
    found = read(tmp_path, "image_id,ant,bee,cat\na.jpg,-1,1,1\nb.jpg,1,-1,-1\n", head=SIGMOID)
    assert [file.labels for file in found.files] == [(1, 2), (0,), None] and "-1 is read as 0" in said(found)


def test_a_label_that_was_looked_for_and_is_not_there(tmp_path):
    text = "ImageID,Source,LabelName,Confidence\na,human,ant,1\nb,human,bee,1\nb,human,cat,0\na,human,bee,1\n"
    found = read(tmp_path, text, head=SIGMOID)
    assert [file.labels for file in found.files] == [(0, 1), (1,), None]
    assert "1 rows of labels.csv have Confidence 0" in said(found)
    sure = read(tmp_path, "image,label,confidence\na,ant,0.9\nb,bee,0\n")
    assert indices(sure) == [0, 1, None]


def test_no_finding_is_none_of_the_labels_unless_it_is_a_class(tmp_path):
    text = "Image Index,Finding Labels\na.jpg,ant|bee\nb.jpg,No Finding\nc.jpg,cat\n"
    found = read(tmp_path, text)
    assert [file.labels for file in found.files] == [(0, 1), (), (2,)]
    assert "'No Finding' are read as none" in said(found)
    own = read(tmp_path, text, (*ANIMALS, "No Finding"))
    assert [file.labels for file in own.files] == [(0, 1), (3,), (2,)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1\n2\n3\n", "a number in each line and no paths"),
        ("1 a.jpg\n2 b.jpg\n", "the paths stand last"),
        ("a.jpg\nb.jpg\n", "no labels behind the paths"),
    ],
)
def test_lists_without_labels_behind_paths_are_refused_and_the_remedy_works(tmp_path, text, words):
    with pytest.raises(InputError) as refused:
        read(tmp_path, text, name="l.txt")
    assert words in refused.value.cause and "`path label`" in refused.value.remedy
    assert indices(read(tmp_path, "a.jpg 1\nb.jpg 2\n", name="l.txt")) == [1, 2, None]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04" + bytes(60), "spreadsheet"),
        (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (b"\x80\x04\x95", "pickle"),
        (b"<annotation/>", "XML"),
        (b"\x93NUMPY\x01", "numpy"),
    ],
)
@pytest.mark.parametrize("name", ["labels.csv", "labels.mat", "labels.txt", "labels.json"])
def test_labels_in_files_that_are_no_text_are_named(tmp_path, name, data, kind):
    pictures(tmp_path / "im", *FILES)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError) as refused:
        surveyed(tmp_path / "im", name, ANIMALS, tmp_path)
    assert (
        kind in refused.value.cause
        and "export it as a CSV with the columns path,label" in refused.value.remedy
    )
    with pytest.raises(InputError, match="is a folder"):
        surveyed(tmp_path / "im", "im", ANIMALS, tmp_path)


def test_pictures_that_are_packed_in_a_file_are_to_be_saved(tmp_path):
    (tmp_path / "set.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "batches").mkdir()
    (tmp_path / "batches" / "test_batch").write_bytes(b"\x80\x02}")
    with pytest.raises(InputError) as refused:
        surveyed(tmp_path / "batches", "auto", ANIMALS, tmp_path)
    unread = none_readable(tmp_path / "set.npz", [("set.npz", "not an image of a known kind")])
    for error in (refused.value, unread):
        assert "saved as pictures first" in error.remedy
    assert "copied again" in none_readable(tmp_path, [("a.png", "truncated")]).remedy


def test_a_list_without_labels_has_those_of_the_folders_that_its_paths_name(tmp_path):
    pictures(tmp_path, "ant/a.jpg", "bee/b.jpg", "bee/c.jpg")
    (tmp_path / "test.txt").write_text("ant/a\nbee/b\n")  # as Food-101 has them
    (tmp_path / "test.csv").write_text("path,site\nant/a.jpg,x\nbee/b.jpg,y\n")
    for name in ("test.txt", "test.csv"):
        found = surveyed(tmp_path / name, "auto", ANIMALS, tmp_path)
        assert indices(found) == [0, 1] and "Labels are the folders' names" in said(found)
    found = surveyed(tmp_path / "test.txt", "auto", ("x", "y"), tmp_path)
    assert indices(found) == [None, None] and "No labels" in said(found)

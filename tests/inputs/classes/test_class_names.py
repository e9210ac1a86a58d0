"""Class names: where they come from, and which index a name means."""

from __future__ import annotations

import sys

import pytest

from reportgen.engine.network.facts import index_of
from reportgen.errors import InputError, RecipeError, UnknownName
from reportgen.inputs.classes import names as class_names
from reportgen.inputs.classes.names import check, names


def test_imagenet_has_its_thousand_names_in_the_known_places():
    found = names("imagenet", None)
    assert len(found) == 1000
    assert (found[967], found[872], found[285]) == ("espresso", "tripod", "Egyptian cat")
    assert names("ImageNet", None) == found


def test_a_file_one_name_a_line(tmp_path):
    (tmp_path / "c.txt").write_bytes("\ufeffrose\r\n ox-eye daisy \r\nTürkenbund\r\n\r\n".encode())
    assert names("c.txt", tmp_path) == ("rose", "ox-eye daisy", "Türkenbund")


def test_only_line_ends_end_a_name(tmp_path):
    (tmp_path / "c.txt").write_bytes("a\u2028b\rc\x0cd\n".encode())
    assert names("c.txt", tmp_path) == ("a\u2028b", "c\x0cd")


def test_a_list_and_nothing(tmp_path):
    assert names(["a", "b"], tmp_path) == ("a", "b")
    assert names(None, tmp_path) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [(b"", "empty"), (b"a\n\nb\n", "name 2 of 3 is empty"), (b"\x81\xff", "not UTF-8")],
)
def test_files_that_cannot_be_used(tmp_path, data, words):
    (tmp_path / "c.txt").write_bytes(data)
    with pytest.raises(RecipeError, match=words):
        names("c.txt", tmp_path)


def test_a_missing_file_and_the_nearest_right_name(tmp_path):
    (tmp_path / "classes.txt").write_text("a")
    with pytest.raises(RecipeError, match=r"did you mean 'classes\.txt'"):
        names("clases.txt", tmp_path)
    with pytest.raises(RecipeError, match="did you mean 'imagenet'"):
        names("imagnet", tmp_path)
    with pytest.raises(RecipeError):
        names("a\0b", tmp_path)
    with pytest.raises(RecipeError):
        names(".", tmp_path)


def test_the_number_of_names_is_the_number_of_outputs():
    assert check(None, 3) == ("class 0", "class 1", "class 2")
    assert check(("a", "b"), 2) == ("a", "b")
    with pytest.raises(InputError, match=r"5 classes, model\.classes names 2"):
        check(("a", "b"), 5)


def test_index_of_names_and_indices():
    flowers = ("rose", "tulip", "10")
    assert [index_of(x, flowers) for x in ("rose", "tulip", 0, 2, "1", "10")] == [0, 1, 0, 2, 1, 2]


def test_digits_as_names_mean_the_name():
    assert index_of("0", ("1", "0")) == 1
    assert index_of(0, ("1", "0")) == 0


@pytest.mark.parametrize("name", ["Rose", "roses", "", "-1", "3", 3, -1, True, "²", "9" * 5000, "1.0"])
def test_unknown_names(name):
    with pytest.raises(UnknownName) as caught:
        index_of(name, ("rose", "tulip", "oxeye"))
    assert caught.value.kind == "class"
    assert caught.value.value == name
    if str(name).lower().startswith("rose"):
        assert "did you mean 'rose'" in str(caught.value)


def test_a_name_that_several_classes_have_asks_for_the_index():
    with pytest.raises(UnknownName, match="several classes \\(0, 2\\): give the index"):
        index_of("crane", ("crane", "ox", "crane"))
    assert index_of(2, ("crane", "ox", "crane")) == 2


def test_imagenet_s_names_are_torchvision_s_and_torchvision_is_not_imported_for_them(monkeypatch):
    from torchvision.models import ResNet50_Weights

    expected = tuple(ResNet50_Weights.IMAGENET1K_V1.meta["categories"])
    monkeypatch.setitem(sys.modules, "torchvision.models", None)  # an import of it fails
    class_names.imagenet.cache_clear()
    assert class_names.imagenet() == expected


def test_imagenet_s_names_are_torchvision_s_where_its_file_has_no_such_list(monkeypatch):
    expected = class_names.imagenet()
    monkeypatch.setattr(class_names, "CATEGORIES", "_ELSEWHERE")
    class_names.imagenet.cache_clear()
    assert class_names._written_out() == ()
    assert class_names.imagenet() == expected
    class_names.imagenet.cache_clear()

"""Which columns of a table say the labels: one that is called so, a column a class, or one of class names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from reportgen.engine.network.head import SOFTMAX, Head
from reportgen.errors import InputError
from reportgen.inputs.classes.known import NOTHING, Known, quoted
from reportgen.inputs.classes.several import parts_of
from reportgen.inputs.images.heads import folded_head
from reportgen.inputs.images.listing import NAMED
from reportgen.inputs.images.tables import Table

LABEL_HEADS = (
    *("class", "classname", "classid", "classindex", "classlabel", "labelname", "labelid", "labels"),
    *("category", "categoryname", "categoryid", "target", "groundtruth", "findinglabels", "gtlabel"),
)
# a word before the classes in columns of 0 and 1: pandas.get_dummies' label_ant, is_defect
BEFORE = re.compile(r"[^\W_]+[_ .:-]+(\S.*)")
ANSWERS = ("pred", "prob", "score", "logit", "output", "conf", "answer", "p_", "p.")
NUMBER = re.compile(r"\d{1,9}(\.0+)?")
TRUTHS = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


class Labels(NamedTuple):
    """The label of each row as text ("" is none), None where the table has none; notes; and the numbers of
    rows that say what an image does not show."""

    texts: list[str] | None
    notes: list[str]
    absent: frozenset[int] = frozenset()


def labels_of(table: Table, known: Known, head: Head = SOFTMAX) -> Labels:
    """The labels of a table's rows.

    A column `label` is meant, or where its numbers are another numbering the names beside them; else one of a
    usual name, or several that say the same of every row; else a column a class, of 0 and 1; else the one
    column whose every text is a class's name. Of values, else the columns that are called like them, or the
    only one beside the paths. Raises InputError where columns contradict each other.
    """
    if "label" in table.head:
        called = _numbered_elsewhere(table, known) or Labels(_cells(table, "label"), [])
        return _without_absent(table, called)
    usual = [name for name in table.others("path") if folded_head(name) in LABEL_HEADS]
    if usual:
        return _without_absent(table, _usual(table, usual, known))
    if head.kind == "values":
        return _of_values(table, known) or Labels(None, _none(table))
    if not known.classes:
        return Labels(None, _none(table))
    found = _a_column_a_class(table, known, head)
    if found is None:
        found = _by_content(table, known)
    known.used.clear()
    return found or Labels(None, _none(table, known))


def _numbered_elsewhere(table: Table, known: Known) -> Labels | None:
    """The labels by name, where the column `label` holds numbers that are not the model's indices of the
    classes that another column of a usual name names beside them. Raises InputError where a number stands
    beside two names, or a name beside two numbers."""
    texts = _cells(table, "label")
    if known.unnamed or any(known.is_name(text) or not NUMBER.fullmatch(text) for text in texts if text):
        return None
    for column in table.others("path", "label"):
        if folded_head(column) not in LABEL_HEADS:
            continue
        names = _cells(table, column)
        if not all(names) or any(known.index(name, numbers=False) is None for name in names):
            continue
        pairs = {(text, name) for text, name in zip(texts, names, strict=True) if text}
        odd = sorted((text, name) for text, name in pairs if known.index(text) != known.index(name))
        known.used.clear()
        if not odd:
            continue
        text, name = odd[0]
        said = f"the column label of {table.file.name} has {text} where {table.written[column]} has {name}"
        if len(pairs) > len({one for one, _ in pairs}) or len(pairs) > len({one for _, one in pairs}):
            raise InputError(
                f"{table.file}:1: {said}, and a number or a name stands beside two of the other",
                "mend the rows, or remove the column that is not meant",
            )
        return Labels(names, [f"Labels are the names: {said}, so its numbers are not the model's indices."])
    return None


def _without_absent(table: Table, labels: Labels) -> Labels:
    """The labels without rows whose column `confidence` is 0, where all are 0 or 1: a label that was looked
    for and is not there, as Open Images has them."""
    name = next((name for name in table.others("path") if folded_head(name) == "confidence"), None)
    if name is None or labels.texts is None:
        return labels
    numbers = [_number(text) for text in _cells(table, name)]
    if set(numbers) != {0.0, 1.0}:
        return labels
    absent = frozenset(row for row, number in enumerate(numbers) if number == 0)
    note = f"{len(absent)} rows of {table.file.name} have {table.written[name]} 0, a label that is not there"
    return labels._replace(absent=absent, notes=[*labels.notes, f"{note}: left out."])


def _of_values(table: Table, known: Known) -> Labels | None:
    """What the network should give: the columns that are called like its values, in their order, or the only
    column beside the paths; None where there is neither, or what is there is no number."""
    others = table.others("path")
    by_index = {index: name for name in others if (index := known.index(name, numbers=False)) is not None}
    known.used.clear()
    if len(by_index) == len(known.classes):
        names = [by_index[index] for index in range(len(known.classes))]
    elif len(known.classes) == 1 and len(others) == 1:
        names = others
    else:
        return None
    columns = [_cells(table, name) for name in names]
    numbers = [_number(text) for cells in columns for text in cells]
    if all(number is None for number in numbers) or any(n is not None and math.isnan(n) for n in numbers):
        return None
    listed = _listed([table.written[name] for name in names])
    rows = list(zip(*columns, strict=True))
    texts = ["" if any(_is_nothing(text) for text in row) else "|".join(row) for row in rows]
    what = "column" if len(names) == 1 else "columns"
    return Labels(texts, [f"Values are the {what} {listed} of {table.file.name}."])


def _cells(table: Table, name: str) -> list[str]:
    return [cells.get(name, "") for _, cells in table.rows]


def _usual(table: Table, usual: Sequence[str], known: Known) -> Labels:
    """The labels of columns of usual names. Raises InputError where several do not say the same."""
    if len(usual) == 1:
        return Labels(_cells(table, usual[0]), [])
    said = [_indices(_cells(table, name), known) for name in usual]
    known.used.clear()
    if None in said or any(one != said[0] for one in said):
        raise InputError(
            f"{table.file}:1: no column is named 'label', and {' and '.join(usual)} could be meant",
            "rename the column that is meant to `label`",
        )
    note = f"The columns {' and '.join(usual)} of {table.file.name} name the same class in every row."
    return Labels(_cells(table, usual[0]), [note])


def _indices(texts: Sequence[str], known: Known) -> list[int | None] | None:
    """The classes that texts mean, None for those that are empty; None where one means no class."""
    by_text = {text: None if _is_nothing(text) else known.index(text) for text in set(texts)}
    if any(index is None and not _is_nothing(text) for text, index in by_text.items()):
        return None
    return [by_text[text] for text in texts]


def _is_nothing(text: str) -> bool:
    return not text or text.casefold() in NOTHING


def _by_content(table: Table, known: Known) -> Labels | None:
    """The labels of the one column whose every text is a class's name: numbers prove nothing."""
    if known.unnamed:
        return None
    fits = []
    for name in table.others("path"):
        texts = {text for text in _cells(table, name) if not _is_nothing(text)}
        if texts and all(_of_names(text, known) for text in texts):
            fits.append(name)
    if len(fits) != 1:
        return None
    note = f"Labels are the column {table.written[fits[0]]} of {table.file.name}"
    return Labels(_cells(table, fits[0]), [f"{note}: every text there is a class."])


def _of_names(text: str, known: Known) -> bool:
    """Whether a text is a class's name, or several."""
    if known.index(text, numbers=False) is not None:
        return True
    parts = parts_of(text, known)
    return bool(parts) and all(known.index(part, numbers=False) is not None for part in parts or ())


# -- a column a class --------------------------------------------------------------------------------------


def _a_column_a_class(table: Table, known: Known, head: Head) -> Labels | None:
    """Labels from columns that are called like classes and hold 0 and 1. Raises InputError where two are
    the same class."""
    columns = _class_columns(table, known)
    alone = len(columns) == 1 and len(known.classes) == 2 and head.exclusive
    if len(columns) < 2 and not alone:
        return None
    numbers = {name: [_number(text) for text in _cells(table, name)] for name in columns}
    odd = next((name for name in columns if not {0.0, 1.0, -1.0, None} >= set(numbers[name])), None)
    found = {one for column in numbers.values() for one in column}
    if signed := found == {1.0, -1.0}:  # never 0, and no gap: -1 is its 0
        numbers = {name: [max(one or 0.0, 0.0) for one in column] for name, column in numbers.items()}
    if odd is not None:
        written = table.written[odd]
        note = f"No labels: the columns of {table.file.name} that are called like classes, such as {written}"
        return Labels(None, [f"{note}, hold other numbers than 0 and 1; name a column of labels `label`."])
    if alone:
        ((name, index),) = columns.items()
        return _of_two(table, known, name, index, numbers[name])
    labels = _rows(table, known, head, columns, numbers)
    minus = [f"These columns of {table.file.name} hold 1 and -1 and never 0: -1 is read as 0."]
    return labels._replace(notes=[*labels.notes, *(minus if signed else [])])


def _class_columns(table: Table, known: Known) -> dict[str, int]:
    """The columns that are called like classes, with the class's index. Raises InputError."""
    found = _called(table, known, {name: name for name in table.others("path")})
    if found:
        return found
    parts = {name: part for name in table.others("path") if (part := BEFORE.fullmatch(name))}
    words = {name.removesuffix(part[1]) for name, part in parts.items()}
    ways = []
    for word in sorted(words):  # all behind one word, and that says nothing of answers
        if word.startswith(ANSWERS):
            continue
        columns = {name: part[1] for name, part in parts.items() if name.removesuffix(part[1]) == word}
        ways += [found for found in (_called(table, known, columns),) if found]
    return ways[0] if len(ways) == 1 else {}


def _called(table: Table, known: Known, columns: Mapping[str, str]) -> dict[str, int]:
    """The columns whose names, or parts of them, are classes. Raises InputError where two are one class."""
    found: dict[str, int] = {}
    for name, called in columns.items():
        index = known.index(called, numbers=False)
        if index is None:
            continue
        if index in found.values():
            raise InputError(
                f"{table.file}:1: two columns are called like the class '{known.classes[index]}'",
                "remove or rename one",
            )
        found[name] = index
    return found


def _of_two(table: Table, known: Known, name: str, index: int, numbers: Sequence[float | None]) -> Labels:
    """Labels of two classes by the one column that is called like one of them."""
    this, other = known.classes[index], known.classes[1 - index]
    words = {1.0: this, 0.0: other}
    note = f"Labels are the column {table.written[name]} of {table.file.name}: 1 is {this}, 0 is {other}."
    return Labels([words.get(one, "") if one is not None else "" for one in numbers], [note])


def _rows(
    table: Table,
    known: Known,
    head: Head,
    columns: Mapping[str, int],
    numbers: Mapping[str, Sequence[float | None]],
) -> Labels:
    """Labels of a column a class: the classes with a 1; of several labels in any row, each by itself."""
    rows = list(zip(*numbers.values(), strict=True))
    called = [known.classes[index] for index in columns.values()]
    present = [[name for name, one in zip(called, row, strict=True) if one == 1] for row in rows]
    unsure = [-1.0 in row for row in rows]
    several = head.kind == "labels" or any(len(own) > 1 for own in present)
    nothing = "|" if several else ""
    texts = ["" if odd else "|".join(own) or nothing for own, odd in zip(present, unsure, strict=True)]
    note = f"Labels are the {len(columns)} columns of {table.file.name} that are called like classes: 1 holds"
    notes = [f"{note}{', several may' if several else ''}."]
    if absent := [name for n, name in enumerate(known.classes) if n not in columns.values()]:
        notes.append(f"No column is called like {_listed(absent)}: no image is labelled so.")
    if any(unsure):
        notes.append(f"{sum(unsure)} rows hold -1 (not sure) and are read as not labelled.")
    if empty := sum(one is None for row in rows for one in row):
        notes.append(f"{empty} empty cells of these columns are read as 0.")
    if not several and (bare := sum(not own and not odd for own, odd in zip(present, unsure, strict=True))):
        more = [table.written[name] for name in table.others("path", *columns) if _is_binary(table, name)]
        also = f" (columns that are no class hold 0 and 1 as well: {_listed(more)})" if more else ""
        notes.append(f"{bare} rows have no 1 in these columns and are read as not labelled{also}.")
    return Labels(texts, notes)


def _number(text: str) -> float | None:
    """A cell as a number, None of nothing; NaN of what is none."""
    if _is_nothing(text):
        return None
    if (truth := TRUTHS.get(text.casefold())) is not None:
        return truth
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_binary(table: Table, name: str) -> bool:
    found = {_number(text) for text in _cells(table, name)}
    return 1.0 in found and found <= {0.0, 1.0, None}


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


# -- none --------------------------------------------------------------------------------------------------


def _none(table: Table, known: Known | None = None) -> list[str]:
    """The note on a table whose columns, among them perhaps those of the labels, have other names."""
    others = table.others("path")
    if not others:
        return []
    if not table.headed:
        line = "put a line above it that names each column, one of them `path` and one `label`"
        return [f"No labels: {table.file.name} has no line of heads; {line}."]
    named = _listed([table.written[name] for name in others])
    words = f"No labels: {table.file.name} has no column `label`, but {named}"
    binary = [table.written[name] for name in others if _is_binary(table, name)]
    if known and known.unnamed and len(binary) == len(known.classes):
        order = ", ".join(quoted(name) for name in binary)
        return [
            f"{words}. The columns of 0 and 1 are as many as the classes, which have no names: if they stand"
            f" in the order of the model's outputs, set model.classes: [{order}]."
        ]
    return [f"{words}; name the one that holds the labels so."]

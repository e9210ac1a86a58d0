"""One cause, one row: what follows from a wrong order of the names is folded under it, and told as it would
be without it; a clean set gives no alarm at all."""

from __future__ import annotations

import pytest

from reportgen.findings import GRAVE

ASKED = ["accuracy", "balance", "calibration", "class-names", "duplicates", "label-noise", "weights"]


@pytest.fixture(scope="module")
def images(digits):
    return digits.images(each=40)


def test_a_clean_set_gives_no_alarm(digits, images):
    verdicts = digits.verdicts(images, ASKED)
    assert {name: said.sentence for name, said in verdicts.items() if said.status in GRAVE} == {}
    assert not any(said.error for said in verdicts.values())


@pytest.mark.parametrize("shift", [1, 9])
def test_a_shifted_list_of_names_is_the_one_row(digits, images, shift):
    names = [str((k + shift) % 10) for k in range(10)]
    model = {
        "source": f"{digits.network}:DigitNet",
        "classes": names,
        "preprocessing": {"crop": 28, "mean": [0.1307], "std": [0.3081]},
    }
    verdicts = digits.verdicts(images, ASKED, model=model)
    rows = [name for name, said in verdicts.items() if said.grave and not said.explained_by]
    assert rows == ["class-names"]
    assert "shifted by one" in verdicts["class-names"].sentence
    folded = {name for name, said in verdicts.items() if said.explained_by == "class-names"}
    assert {"accuracy", "calibration"} <= folded
    told = verdicts["accuracy"]
    assert told.sentence.startswith(tuple("0123456789")) and "accuracy 9" in told.otherwise

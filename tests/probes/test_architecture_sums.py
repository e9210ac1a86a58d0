"""The table of layers: its rows add up to its last one."""

from __future__ import annotations

from functools import cache

import torch
import torchvision

from reportgen.engine.network.trace import trace
from reportgen.engine.tape import ModelTape
from reportgen.findings import Remark, Table
from reportgen.probes.architecture import COLUMNS, Architecture


@cache
def table_of(name: str) -> tuple[Table, list[str]]:
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        network = torchvision.models.get_model(name, weights=None, **options).eval()
    found = Architecture().measure(ModelTape(trace(network, (3, 224, 224)), {}))
    (table,) = (held for held in found if isinstance(held, Table))
    return table, [held.text for held in found if isinstance(held, Remark)]


def test_rows_add_up_to_the_total() -> None:
    for name in ("resnet18", "vit_b_16", "googlenet"):
        table, _ = table_of(name)
        for head in ("parameters", "MACs"):
            column = COLUMNS.index(head)
            assert table.total is not None
            assert sum(row[column] or 0 for row in table.rows) == table.total[column]


def test_rows_say_what_runs_not_and_what_is_no_layer() -> None:
    table, remarks = table_of("vit_b_16")
    rows = {row[1]: row for row in table.rows}
    token = rows["network (itself, outside its layers)"]
    assert (token[0], token[COLUMNS.index("parameters")]) == (None, 768)
    assert not remarks, "the projection inside an attention runs with it"
    table, remarks = table_of("googlenet")
    absent = [row[1] for row in table.rows if row[0] is None]
    assert "aux1.fc1 (does not run)" in absent
    assert remarks == [f"Layers with parameters that do not run for this input: {len(absent)}."]

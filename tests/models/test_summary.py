"""The table that ``summary`` prints."""

from __future__ import annotations

from torch import nn

from cthulhu.layers import Azatoth, Daoloth
from cthulhu.models import Lump, Pile


def printed(model: Lump) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    return "\n".join(lines)


def test_table_of_a_pile() -> None:
    model = Pile([Daoloth(512, input_dim=784, activation="relu"), Azatoth("relu"), Daoloth(10, name="digits")])
    for parameter in model.layers[0].parameters():
        parameter.requires_grad_(False)
    assert printed(model) == (
        "Pile\n"
        "─────────────────────────────────────────────────────\n"
        "Layer       Type      Weights              Parameters\n"
        "─────────────────────────────────────────────────────\n"
        "daoloth_1   Daoloth   (512, 784), (512,)      401,920\n"
        "azatoth_1   Azatoth                                 0\n"
        "digits      Daoloth   (10, 512), (10,)          5,130\n"
        "─────────────────────────────────────────────────────\n"
        "Parameters: 407,050, of which 5,130 are trained"
    )


def test_sizes_that_are_not_known_are_said_to_be_unknown() -> None:
    table = printed(Pile([Daoloth(3)]))
    assert "from the first data" in table
    assert table.splitlines()[4].endswith("?")
    assert table.endswith("Parameters: known when the first data has been seen")


def test_wrapped_module_shows_its_children() -> None:
    table = printed(Lump(nn.Sequential(nn.Linear(4, 2), nn.ReLU())))
    assert [line.split()[0] for line in table.splitlines()[4:6]] == ["0", "1"]
    assert table.endswith("Parameters: 10, of which 10 are trained")


def test_wrapped_single_layer_is_a_row() -> None:
    assert printed(Lump(nn.Linear(4, 2))).splitlines()[4].split()[1] == "Linear"


def test_printed_by_default(capsys) -> None:  # type: ignore[no-untyped-def]
    Pile([Daoloth(1, input_dim=1)]).summary()
    assert capsys.readouterr().out.startswith("Pile\n")

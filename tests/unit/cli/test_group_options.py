"""The options of a consumer group."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from gater.cli.group_options import given
from gater.cli.main import app
from gater.model.subscriptions import GroupSettings


def test_only_what_was_typed_is_given() -> None:
    assert given() == {}
    typed = given(backoff="1, 5,30", max_retries=0, ordering=None)
    assert typed == {"backoff": (1.0, 5.0, 30.0), "max_retries": 0}


@pytest.mark.parametrize("text", ["", "a", "1,", "1;2"])
def test_delays_are_numbers_between_commas(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        given(backoff=text)


def test_every_setting_of_a_group_has_an_option() -> None:
    root: Any = typer.main.get_command(app)
    create = root.commands["subscriptions"].commands["create"]
    assert set(GroupSettings.__struct_fields__) <= {option.name for option in create.params}

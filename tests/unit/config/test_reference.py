"""The settings page of the documentation."""

from __future__ import annotations

from pathlib import Path

from gater.config.reference import settings_page
from gater.config.settings import FIELD_TYPES, environment_names
from gater.config.sources import load_settings

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "settings.md"


def test_page_is_current() -> None:
    assert PAGE.read_text("utf-8") == settings_page(), "write gater.config.reference.settings_page() to the page"


def test_page_names_every_setting_and_variable() -> None:
    page = settings_page()
    for name in FIELD_TYPES:
        assert f"| `{name}` |" in page
        for variable in environment_names(name):
            assert f"`{variable}`" in page


def test_example_of_the_page_is_valid(tmp_path: Path) -> None:
    example = settings_page().partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "gater.toml"
    file.write_text(example)
    assert load_settings(file=file, environ={}).tokens[0].name == "shop"

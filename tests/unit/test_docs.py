"""The documentation tells the truth where a test can know it."""

import re
from pathlib import Path

import pytest

from krustlet.pods.admission import (
    IGNORED_CONTAINER_FIELDS,
    IGNORED_POD_FIELDS,
    POWERLESS_CONTAINER_FIELDS,
    POWERLESS_POD_FIELDS,
)

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text().replace("\n", " "))
    local = [link for link in links if not link.startswith("http")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("heading", "fields"),
    [
        ("of the pod | why", IGNORED_POD_FIELDS),
        ("of a container | why", IGNORED_CONTAINER_FIELDS),
        ("of the pod | needs", POWERLESS_POD_FIELDS),
        ("of a container | needs", POWERLESS_CONTAINER_FIELDS),
    ],
)
def test_every_field_without_effect_is_documented(heading: str, fields: dict[str, object]) -> None:
    page = (ROOT / "docs/reference/pod-fields.md").read_text()
    table = page.partition(f"| {heading} |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)) == set(fields)

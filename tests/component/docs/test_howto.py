"""The code in the how-to pages runs as it stands there."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.until import until_not

GROUP = "krustlet.providers"
HOW_TO = Path(__file__).parents[3] / "docs" / "how-to"


@pytest.fixture
def krustlet(tmp_path: Path) -> Iterator[Command]:
    command = Command(tmp_path)
    yield command
    until_not(command.leftovers)


def test_the_provider_of_the_page_runs(krustlet: Command, tmp_path: Path) -> None:
    page = (HOW_TO / "write-a-provider.md").read_text()
    [module] = re.findall(r"```python\n# greeter\.py\n(.*?)```", page, re.DOTALL)
    [project] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    [(name, entry)] = tomllib.loads(project)["project"]["entry-points"][GROUP].items()
    _install(tmp_path / "packages", "greeter", module, f"{name} = {entry}\n")
    (tmp_path / "any.wasm").touch()
    result = krustlet(
        "run", "-q", "--provider", "greeter", "any.wasm", PYTHONPATH=str(tmp_path / "packages")
    )
    assert (result.code, result.stdout) == (0, "Hello from default/any!\n")


def _install(directory: Path, name: str, module: str, entry_point: str) -> None:
    """What pip leaves of a package of one module and one provider."""
    metadata = directory / f"{name}-1.dist-info"
    metadata.mkdir(parents=True)
    (directory / f"{name}.py").write_text(module)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{entry_point}")

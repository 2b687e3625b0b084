"""The options of `krustlet node` about containers."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from krustlet.cli.container_options import container_options, container_settings


def settings_of(*words: str) -> dict[str, Any]:
    """What `Settings` are told; a wrong word raises."""
    given: dict[str, Any] = {}

    @click.command()
    @container_options
    def command(**options: Any) -> None:
        given.update(container_settings(options))
        assert options == {}

    command.main(args=list(words), standalone_mode=False)
    return given


def test_the_defaults_are_those_of_the_kubelet() -> None:
    assert settings_of() == {
        "log_max_bytes": 10 << 20,
        "log_max_files": 5,
        "pod_pids_limit": None,
        "pod_users": (1_879_048_192, 65_536),
        "root_containers": False,
        "provider_options": {},
    }


def test_each_is_told() -> None:
    given = settings_of(
        *("--container-log-max-size", "64Ki", "--container-log-max-files", "3"),
        *("--pod-max-pids", "100", "--pod-users", "5000:10", "--allow-root-containers"),
        *("--provider-option", "simd=false", "--provider-option", "note=a=b"),
    )
    assert given == {
        "log_max_bytes": 64 << 10,
        "log_max_files": 3,
        "pod_pids_limit": 100,
        "pod_users": (5000, 10),
        "root_containers": True,
        "provider_options": {"simd": "false", "note": "a=b"},
    }


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--container-log-max-size", "big"), "write a number of bytes, such as 10Mi"),
        (("--container-log-max-size", "1"), "less than 4096 bytes"),
        (("--container-log-max-files", "1"), "not in the range"),
        (("--pod-max-pids", "-2"), "not in the range"),
        (("--pod-users", "5000"), "write the first number and how many"),
        (("--pod-users", "0:10"), "numbered from 1"),
        (("--pod-users", "4294967290:10"), "numbered from 1"),
        (("--provider-option", "simd"), "write key=value"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(words: tuple[str, ...], complaint: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        settings_of(*words)
    assert complaint in refused.value.format_message()


def test_the_environment_counts() -> None:
    @click.command()
    @container_options
    def command(**options: Any) -> None:
        click.echo(container_settings(options)["pod_users"])

    result = CliRunner().invoke(command, env={"KRUSTLET_POD_USERS": "7000:7"})
    assert result.output == "(7000, 7)\n"

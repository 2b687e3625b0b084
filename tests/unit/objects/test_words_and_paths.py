import pytest

from krustlet.base import did_you_mean
from krustlet.objects import FieldPath, RestartPolicy, pod_key


def test_a_path_reads_as_it_is_written_in_a_manifest() -> None:
    path = FieldPath() / "spec" / "containers" / 0 / "name"

    assert str(path) == "spec.containers[0].name"


def test_a_key_that_is_no_plain_word_is_quoted() -> None:
    path = FieldPath(("metadata", "labels")) / "example.com/tier"

    assert str(path) == 'metadata.labels["example.com/tier"]'


def test_a_list_may_be_the_root() -> None:
    assert str(FieldPath() / 2 / "kind") == "[2].kind"


@pytest.mark.parametrize(
    ("written", "guess"),
    [
        ("restartPolcy", "did you mean `restartPolicy`?"),
        ("RESTARTPOLICY", "did you mean `restartPolicy`?"),
        ("restart_policy", "did you mean `restartPolicy`?"),
        ("imagee", "did you mean `image`?"),
        ("zzz", ""),
    ],
)
def test_the_nearest_word_is_guessed(written: str, guess: str) -> None:
    assert did_you_mean(written, ["restartPolicy", "image", "nodeName"]) == guess


def test_words_compare_with_what_the_api_sends() -> None:
    sent = "".join(["On", "Failure"])

    assert sent == RestartPolicy.ON_FAILURE
    assert sent != RestartPolicy.NEVER


def test_a_key_names_the_namespace_first() -> None:
    assert pod_key(namespace="shop", name="web") == "shop/web"

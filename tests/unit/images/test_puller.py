from pathlib import Path

import pytest

from krustlet.images import (
    Image,
    InvalidImageName,
    LocalImagesForbidden,
    LocalReference,
    Puller,
    PullPolicy,
    RegistryUnsupported,
)


class FakeFiles:
    def __init__(self) -> None:
        self.asked: list[tuple[LocalReference, Path]] = []

    async def resolve(self, reference: LocalReference, *, relative_to: Path) -> Image:
        self.asked.append((reference, relative_to))
        return Image(str(reference), "sha256:0", reference.path, 1, "m.wasm")


@pytest.mark.parametrize("policy", list(PullPolicy))
async def test_a_local_file_is_used_whatever_the_policy(policy: PullPolicy) -> None:
    files = FakeFiles()

    ensured = await Puller(files).obtain("fs/./m.wasm", policy=policy, relative_to=Path("/pods"))

    assert (ensured.image.reference, ensured.pulled) == ("file:m.wasm", False)
    assert files.asked == [(LocalReference("m.wasm"), Path("/pods"))]


async def test_a_node_that_runs_no_local_files_says_what_to_do() -> None:
    with pytest.raises(LocalImagesForbidden, match=r"file:m\.wasm") as forbidden:
        await Puller().obtain("file:m.wasm", policy=PullPolicy.NEVER, relative_to=Path("/pods"))
    assert forbidden.value.reason == "ErrImagePull"
    assert "--allow-local-modules" in forbidden.value.hint


async def test_an_image_of_a_registry_is_refused_with_a_way_out() -> None:
    with pytest.raises(RegistryUnsupported, match=r"docker\.io/library/hello:latest") as refused:
        await Puller(FakeFiles()).obtain(
            "hello", policy=PullPolicy.ALWAYS, relative_to=Path("/pods")
        )
    assert refused.value.reason == "ErrImagePull"
    assert "file:" in refused.value.hint


async def test_a_bad_name_reaches_no_file() -> None:
    files = FakeFiles()
    with pytest.raises(InvalidImageName):
        await Puller(files).obtain("Hello", policy=PullPolicy.NEVER, relative_to=Path("/pods"))
    assert files.asked == []

import os
from pathlib import Path

import pytest

from krustlet.objects import Quantity, ResourceRequirements
from krustlet.pods import BadPodUID, Checkpoints
from tests.support.pods import Story, a_container, a_pod, a_sidecar


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path)


def test_a_state_comes_back_as_it_was(checkpoints: Checkpoints) -> None:
    limits = ResourceRequirements(limits={"cpu": Quantity("1")})
    pod = a_pod(a_container("web", resources=limits), init=(a_sidecar(),), resources=limits)
    story = Story(pod).runs("proxy", "web")
    story.exited("web", code=1)
    story.failed("web")
    story.wait(2)
    story.deleted()
    checkpoints.save(story.state)
    assert checkpoints.load(story.state.uid) == story.state


def test_the_last_of_many_counts_and_the_file_stays_small(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    story = Story(a_pod(a_container("web"))).runs("web")
    for _ in range(500):
        story.exited("web", code=1)
        checkpoints.save(story.state)
        assert checkpoints.load(story.state.uid) == story.state
        story.wait(400)
        story.runs("web")
    assert (tmp_path / "pods" / story.state.uid / "state").stat().st_size < 100_000


def test_a_torn_line_is_as_if_it_had_never_been_begun(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    story = Story(a_pod(a_container("web"))).runs("web")
    checkpoints.save(story.state)
    before = story.state
    path = tmp_path / "pods" / story.state.uid / "state"
    path.write_bytes(path.read_bytes() + b'{"uid": "half of a li')
    assert checkpoints.load(story.state.uid) == before
    story.exited("web", code=1)
    checkpoints.save(story.state)
    assert checkpoints.load(story.state.uid) == story.state


def test_a_full_disk_costs_nothing_that_was_there(
    checkpoints: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(a_pod(a_container("web")))
    checkpoints.save(story.state)
    before = story.state
    story.runs("web")
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:10]))
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(story.state)
    monkeypatch.undo()
    assert checkpoints.load(story.state.uid) == before
    checkpoints.save(story.state)
    assert checkpoints.load(story.state.uid) == story.state


def test_what_was_never_written_is_nothing(checkpoints: Checkpoints) -> None:
    assert checkpoints.load("uid") is None
    assert list(checkpoints.uids()) == []
    checkpoints.remove("uid")


def test_it_is_nobody_elses_to_read(checkpoints: Checkpoints, tmp_path: Path) -> None:
    state = Story(a_pod()).state
    checkpoints.save(state)
    directory = tmp_path / "pods" / state.uid
    assert (directory / "state").stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_directory_in_its_place_is_unreadable(checkpoints: Checkpoints, tmp_path: Path) -> None:
    (tmp_path / "pods" / "uid" / "state").mkdir(parents=True)
    assert checkpoints.load("uid") is None


@pytest.mark.parametrize("uid", ["", ".", "..", "../other", "a/b", "nul\0"])
def test_no_uid_leads_out_of_the_pods_directory(
    checkpoints: Checkpoints, tmp_path: Path, uid: str
) -> None:
    (tmp_path / "pods").mkdir()
    (tmp_path / "precious").touch()
    for use in (checkpoints.load, checkpoints.remove):
        with pytest.raises(BadPodUID) as refused:
            use(uid)
        assert refused.value.hint
    assert (tmp_path / "precious").exists()

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.images import (
    InvalidImageName,
    LocalReference,
    RegistryReference,
    parse_reference,
)

SHA = "f" * 64


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", "latest", None),
        ("docker.io/ubuntu", "docker.io", "library/ubuntu", "latest", None),
        ("index.docker.io/ubuntu:1", "docker.io", "library/ubuntu", "1", None),
        ("somebody/hello", "docker.io", "somebody/hello", "latest", None),
        ("test.com:5000", "docker.io", "library/test.com", "5000", None),
        ("test.com/repo:tag", "test.com", "repo", "tag", None),
        ("test:5000/repo", "test:5000", "repo", "latest", None),
        ("localhost/a/b_c/d--e/f__g", "localhost", "a/b_c/d--e/f__g", "latest", None),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050", None),
        ("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag", None),
        ("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", None),
        ("GHCR.io/x", "GHCR.io", "x", "latest", None),
        ("Registry/x", "Registry", "x", "latest", None),
        ("lowercase:Uppercase", "docker.io", "library/lowercase", "Uppercase", None),
        (f"a.b/c@sha256:{SHA}", "a.b", "c", None, f"sha256:{SHA}"),
        (f"a.b/c:t@sha512:{SHA * 2}", "a.b", "c", "t", f"sha512:{SHA * 2}"),
        ("a.b/fs/x", "a.b", "fs/x", "latest", None),
        ("fs:5000/x", "fs:5000", "x", "latest", None),
    ],
)
def test_a_registry_reference_is_completed_as_docker_does(
    text: str, registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    assert parse_reference(text) == RegistryReference(registry, repository, tag, digest)


def test_a_tag_is_only_made_up_when_asked_for() -> None:
    assert str(parse_reference("hello", default_tag=None)) == "docker.io/library/hello"
    assert str(parse_reference("hello:v1", default_tag=None)) == "docker.io/library/hello:v1"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param("", "name an image", id="nothing"),
        pytest.param(" hello", "stray spaces", id="leading-space"),
        pytest.param("hello\n", "line breaks", id="line-break"),
        pytest.param("Hello", "write 'hello', or file:Hello", id="upper-case"),
        pytest.param("R.io/App:V1", "write 'R.io/app:V1', or file:R.io", id="upper-case-below-it"),
        pytest.param("index.docker.io/B:B", "write 'index.docker.io/b:B'", id="old-upper-case"),
        pytest.param("./hello.wasm", "write file:./hello.wasm", id="a-path-without-its-scheme"),
        pytest.param(
            "/tmp/hello.wasm",
            "write file:/tmp/hello.wasm",
            id="an-absolute-path-without-its-scheme",
        ),
        pytest.param("https://a.b/c", "without a scheme", id="a-url"),
        pytest.param(
            "test:5000/Upper/lower:tag", "write 'test:5000/upper/lower:tag'", id="upper-case-path"
        ),
        pytest.param(":justtag", "[registry/]", id="tag-alone"),
        pytest.param("a.b/:tag", "[registry/]", id="no-repository"),
        pytest.param(f"@sha256:{SHA}", "[registry/]", id="digest-alone"),
        pytest.param("hello:", "a tag is", id="empty-tag"),
        pytest.param("hello:-x", "a tag is", id="tag-that-begins-with-a-dash"),
        pytest.param("hello:" + "t" * 129, "a tag is", id="tag-too-long"),
        pytest.param("hello@", "a digest is", id="empty-digest"),
        pytest.param("hello@sha256:" + "f" * 63, "a digest is", id="digest-too-short"),
        pytest.param("hello@sha256:" + "F" * 64, "a digest is", id="digest-in-upper-case"),
        pytest.param(f"hello@md5:{SHA}", "a digest is", id="unknown-digest-algorithm"),
        pytest.param(SHA, "@sha256:", id="bare-id"),
        pytest.param("a.b/" + "x" * 256, "shorten", id="repository-too-long"),
        pytest.param("aa/asdf$$^/aa", "[registry/]", id="signs-that-are-in-no-name"),
        pytest.param("a..b/c", "host or host:port", id="host-with-an-empty-label"),
        pytest.param("[fe80::1%eth0]:5000/repo", "host or host:port", id="zone-in-an-address"),
        pytest.param("file:", "file:path", id="file-without-path"),
        pytest.param("fs/", "file:path", id="original-form-without-path"),
        pytest.param("file://host/x.wasm", "write file:host/x.wasm", id="file-on-another-host"),
    ],
)
def test_a_bad_name_is_refused_with_a_way_out(text: str, hint: str) -> None:
    with pytest.raises(InvalidImageName) as refused:
        parse_reference(text)
    assert refused.value.reason == "InvalidImageName"
    assert hint in refused.value.hint


@pytest.mark.parametrize("text", ["", "Hello", "./hello.wasm", "a b"])
def test_where_files_cannot_be_meant_nothing_is_said_of_them(text: str) -> None:
    with pytest.raises(InvalidImageName) as refused:
        parse_reference(text)
    assert "file" not in refused.value.registry_hint


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:hello.wasm", "hello.wasm"),
        ("file:./hello.wasm", "hello.wasm"),
        ("file:../up/hello.wasm", "../up/hello.wasm"),
        ("file:/abs/hello.wasm", "/abs/hello.wasm"),
        ("file:///abs/hello.wasm", "/abs/hello.wasm"),
        ("file://localhost/abs/hello.wasm", "/abs/hello.wasm"),
        ("file:My Modules/Hello World.wasm", "My Modules/Hello World.wasm"),
        ("file:odd:name@1.wasm", "odd:name@1.wasm"),
        ("file:100%25.wasm", "100%25.wasm"),
        ("fs//abs/mod.wasm", "/abs/mod.wasm"),
        ("fs/./rel.wasm", "rel.wasm"),
        ("fs/sub/rel.wasm", "sub/rel.wasm"),
        ("fs//abs/mod.wasm:v1", "/abs/mod.wasm"),
        (f"fs/mod.wasm@sha256:{SHA}", f"mod.wasm@sha256:{SHA}"),
    ],
)
def test_a_local_reference_is_a_path(text: str, path: str) -> None:
    assert parse_reference(text) == LocalReference(path)


def test_a_local_reference_is_spelled_as_a_file() -> None:
    assert str(parse_reference("fs//abs/./mod.wasm")) == "file:/abs/mod.wasm"


_hosts = st.sampled_from(["docker.io", "a.example", "localhost", "h:5000", "[::1]", "[::1]:80"])
_parts = st.from_regex(r"[a-z0-9]{1,8}((\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}", fullmatch=True)
_registry_references = st.builds(
    RegistryReference,
    registry=_hosts,
    repository=st.lists(_parts, min_size=2, max_size=4).map("/".join),
    tag=st.none() | st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,9}", fullmatch=True),
    digest=st.none() | st.just(f"sha256:{SHA}"),
)


@given(_registry_references)
def test_the_canonical_text_of_a_registry_reference_means_the_same(
    reference: RegistryReference,
) -> None:
    assert parse_reference(str(reference), default_tag=None) == reference


@given(st.sampled_from(["", "file:", "fs/"]), st.text(max_size=40))
def test_whatever_is_accepted_has_one_canonical_text(prefix: str, text: str) -> None:
    try:
        reference = parse_reference(prefix + text)
    except InvalidImageName:
        return
    assert parse_reference(str(reference)) == reference

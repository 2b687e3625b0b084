"""What the files below /etc say, word for word as every kubelet's."""

from typing import Any

import pytest

from krustlet.objects import (
    HostAlias,
    ObjectMeta,
    Pod,
    PodDNSConfig,
    PodDNSConfigOption,
    PodSpec,
)
from krustlet.volumes import ClusterDNS, HostNameTooLong, host_name
from krustlet.volumes.etc_files import Resolver, hosts_text, read_resolver, resolver_of

CLUSTER = ClusterDNS(("10.0.0.10",), "cluster.local")
NODE = Resolver(("192.0.2.53",), ("corp.example",), {"edns0": ""})


def a_pod(**spec: Any) -> Pod:
    return Pod(metadata=ObjectMeta(name="web", namespace="shop"), spec=PodSpec(**spec))


# host names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        pytest.param({}, "web", id="the-pods-own-name"),
        pytest.param({"hostname": "front"}, "front", id="what-it-asks-for"),
        pytest.param({"hostname_override": "a.b.c"}, "a.b.c", id="an-override-counts-most"),
        pytest.param(
            {"hostname": "front", "host_network": True}, "", id="the-nodes-on-its-network"
        ),
        pytest.param({"hostname": "front", "subdomain": "sub"}, "front", id="short-with-a-domain"),
        pytest.param(
            {"subdomain": "sub", "set_hostname_as_fqdn": True},
            "web.sub.shop.svc.cluster.local",
            id="in-full-if-it-asks",
        ),
        pytest.param({"set_hostname_as_fqdn": True}, "web", id="in-full-takes-a-domain"),
        pytest.param({"hostname_override": "x" * 62 + ".y"}, "x" * 62, id="cut-without-a-dot"),
        pytest.param({"hostname_override": "x" * 70}, "x" * 63, id="cut-at-63"),
    ],
)
def test_what_a_pod_is_called(spec: dict[str, Any], name: str) -> None:
    assert host_name(a_pod(**spec), CLUSTER) == name


def test_a_full_name_that_the_kernel_cannot_hold_is_told() -> None:
    longest = a_pod(subdomain="s" * 35, set_hostname_as_fqdn=True)
    assert len(host_name(longest)) == 62
    with pytest.raises(
        HostNameTooLong, match=r"\(64 characters is the max, 67 characters req"
    ) as e:
        host_name(a_pod(subdomain="s" * 40, set_hostname_as_fqdn=True))
    assert e.value.reason == "CreateContainerConfigError"


# /etc/hosts -------------------------------------------------------------------------------------

LOCAL = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)
ALIASES = (
    HostAlias(ip="123.45.67.89", hostnames=("foo", "bar")),
    HostAlias(ip="::2", hostnames=("six",)),
)
ALIAS_LINES = "\n# Entries added by HostAliases.\n123.45.67.89\tfoo\tbar\n::2\tsix\n"


@pytest.mark.parametrize(
    ("spec", "ips", "text"),
    [
        pytest.param(
            {},
            ["10.1.2.3"],
            f"# Kubernetes-managed hosts file.\n{LOCAL}10.1.2.3\tweb\n",
            id="a-pod-of-its-own-network",
        ),
        pytest.param(
            {"subdomain": "sub", "hostname": "front"},
            ["10.1.2.3", "fd00::3"],
            f"# Kubernetes-managed hosts file.\n{LOCAL}"
            "10.1.2.3\tfront.sub.shop.svc.cluster.local\tfront\n"
            "fd00::3\tfront.sub.shop.svc.cluster.local\tfront\n",
            id="every-address-and-the-full-name",
        ),
        pytest.param(
            {"host_aliases": ALIASES},
            [],
            f"# Kubernetes-managed hosts file.\n{LOCAL}{ALIAS_LINES}",
            id="aliases-after-an-empty-line",
        ),
        pytest.param(
            {"host_network": True, "host_aliases": ALIASES},
            ["10.1.2.3"],
            f"# Kubernetes-managed hosts file (host network).\n127.0.0.1 node\n{ALIAS_LINES}",
            id="the-nodes-own-on-its-network",
        ),
    ],
)
def test_the_hosts_file(spec: dict[str, Any], ips: list[str], text: str) -> None:
    assert hosts_text(a_pod(**spec), ips, of_node="127.0.0.1 node\n", dns=CLUSTER) == text


# /etc/resolv.conf -------------------------------------------------------------------------------


def test_a_resolv_conf_is_read_as_the_kubelet_reads_it() -> None:
    text = (
        "# nameserver 1.1.1.1\n"
        "  nameserver 192.0.2.1 ignored\n"
        "nameserver\n"
        "search old.example\n"
        "search corp.example. . example\n"
        "options ndots:1 timeout:2\n"
        "nameserver 192.0.2.2\n"
        "options ndots:3 edns0\n"
        "sortlist 10.0.0.0\n"
    )
    assert read_resolver(text) == Resolver(
        ("192.0.2.1", "192.0.2.2"),
        ("corp.example", "example"),
        {"ndots": "3", "timeout": "2", "edns0": ""},
    )


def test_a_resolver_is_written_in_the_order_of_the_runtimes() -> None:
    resolver = Resolver(("192.0.2.1", "192.0.2.2"), ("a", "b"), {"ndots": "5", "edns0": ""})
    assert resolver.text() == (
        "search a b\nnameserver 192.0.2.1\nnameserver 192.0.2.2\noptions ndots:5 edns0\n"
    )
    assert Resolver().text() == ""
    assert read_resolver(resolver.text()) == resolver


CLUSTER_FIRST = Resolver(
    ("10.0.0.10",),
    ("shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"),
    {"ndots": "5"},
)


@pytest.mark.parametrize(
    ("spec", "dns", "resolver"),
    [
        pytest.param({"dns_policy": "Default"}, CLUSTER, NODE, id="default-is-the-nodes"),
        pytest.param({"dns_policy": "None"}, CLUSTER, Resolver(), id="none-is-nothing"),
        pytest.param({"dns_policy": "ClusterFirst"}, CLUSTER, CLUSTER_FIRST, id="the-clusters"),
        pytest.param({}, CLUSTER, CLUSTER_FIRST, id="unset-is-the-clusters"),
        pytest.param(
            {"dns_policy": "ClusterFirst"}, ClusterDNS(), NODE, id="unknown-servers-are-the-nodes"
        ),
        pytest.param(
            {"dns_policy": "ClusterFirst", "host_network": True},
            CLUSTER,
            NODE,
            id="the-hosts-network-means-its-resolver",
        ),
        pytest.param(
            {"dns_policy": "ClusterFirstWithHostNet", "host_network": True},
            CLUSTER,
            CLUSTER_FIRST,
            id="unless-it-says-otherwise",
        ),
    ],
)
def test_whose_resolver_a_pod_has(
    spec: dict[str, Any], dns: ClusterDNS, resolver: Resolver
) -> None:
    found = resolver_of(a_pod(**spec), NODE, dns)
    assert found.resolver == resolver
    assert found.warnings == ()


def test_what_a_pod_adds_comes_last_and_its_options_win() -> None:
    config = PodDNSConfig(
        nameservers=("1.2.3.4", "192.0.2.53"),
        searches=("corp.example", "more.example"),
        options=(
            PodDNSConfigOption(name="edns0", value="x"),
            PodDNSConfigOption(name="rotate"),
        ),
    )
    found = resolver_of(a_pod(dns_policy="Default", dns_config=config), NODE)
    assert found.resolver == Resolver(
        ("192.0.2.53", "1.2.3.4"),
        ("corp.example", "more.example"),
        {"edns0": "x", "rotate": ""},
    )


def test_too_many_name_servers_are_cut_and_told() -> None:
    config = PodDNSConfig(nameservers=("1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4"))
    found = resolver_of(a_pod(dns_policy="None", dns_config=config), NODE)
    assert found.resolver.servers == ("1.1.1.1", "2.2.2.2", "3.3.3.3")
    assert found.warnings == (
        "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
        "nameserver line is: 1.1.1.1 2.2.2.2 3.3.3.3",
    )


@pytest.mark.parametrize(
    ("searches", "kept"),
    [
        pytest.param([f"d{n}" for n in range(40)], 32, id="32-domains"),
        pytest.param(["x" * 254, "fits"], 1, id="none-too-long-to-resolve"),
        pytest.param(["y" * 250 + str(n) for n in range(9)], 8, id="2048-characters"),
    ],
)
def test_too_many_search_domains_are_cut_and_told(searches: list[str], kept: int) -> None:
    config = PodDNSConfig(searches=tuple(searches))
    found = resolver_of(a_pod(dns_policy="None", dns_config=config), NODE)
    assert found.resolver.searches == tuple(d for d in searches if len(d) < 254)[:kept]
    (warning,) = found.warnings
    assert warning.startswith("Search Line limits were exceeded, some search paths have been omit")

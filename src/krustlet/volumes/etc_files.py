"""Say what the files hold that every container finds below `/etc`; pure.

Leaves writing and mounting them to `run_files.py`.

Source: kubernetes pkg/kubelet/kubelet_pods.go, `managedHostsFileContent` and
`GeneratePodHostNameAndDomain`; pkg/kubelet/network/dns/dns.go.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from krustlet.objects import DNSPolicy, HostAlias, Pod, PodDNSConfig
from krustlet.volumes.errors import HostNameTooLong

HOST_NAME_MAX: Final = 63  # of a label, and one less than what the kernel takes
_FQDN_MAX: Final = 64
_NAMESERVERS_MAX: Final = 3
_SEARCHES_MAX: Final = 32
_SEARCH_CHARS_MAX: Final = 2048
_DOMAIN_MAX: Final = 253

_HEADER: Final = "# Kubernetes-managed hosts file"
_LOCAL: Final = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)


class ClusterDNS(msgspec.Struct, frozen=True):
    """How names of the cluster are found; empty where nobody said."""

    servers: tuple[str, ...] = ()
    domain: str = "cluster.local"


NO_CLUSTER_DNS: Final = ClusterDNS()


# host names -------------------------------------------------------------------------------------


def short_host_name(pod: Pod) -> str:
    """The pod's own name for itself, without a domain."""
    spec = pod.spec
    name = spec.hostname_override or spec.hostname or pod.name
    return name if len(name) <= HOST_NAME_MAX else name[:HOST_NAME_MAX].rstrip("-.")


def host_domain(pod: Pod, dns: ClusterDNS = NO_CLUSTER_DNS) -> str:
    """The domain of the pod's name; empty if it has none."""
    if pod.spec.hostname_override or not pod.spec.subdomain:
        return ""
    return f"{pod.spec.subdomain}.{pod.namespace}.svc.{dns.domain}"


def host_name(pod: Pod, dns: ClusterDNS = NO_CLUSTER_DNS) -> str:
    """What the kernel is to tell the pod's containers; empty for the node's own name.

    Raises:
        HostNameTooLong: it is to be the full name, which the kernel cannot hold.
    """
    if pod.spec.host_network:
        return ""
    short, domain = short_host_name(pod), host_domain(pod, dns)
    if not domain or not pod.spec.set_hostname_as_fqdn:
        return short
    full = f"{short}.{domain}"
    if len(full) > _FQDN_MAX:
        raise HostNameTooLong(full, most=_FQDN_MAX)
    return full


# /etc/hosts -------------------------------------------------------------------------------------


def hosts_text(
    pod: Pod, ips: Sequence[str], *, of_node: str, dns: ClusterDNS = NO_CLUSTER_DNS
) -> str:
    """What `/etc/hosts` holds.

    Args:
        ips: where the pod is reached.
        of_node: what the node's own holds; a pod of the host's network sees that.
    """
    aliases = "".join(_alias_lines(pod.spec.host_aliases))
    if pod.spec.host_network:
        return f"{_HEADER} (host network).\n{of_node}{aliases}"
    short, domain = short_host_name(pod), host_domain(pod, dns)
    names = f"{short}.{domain}\t{short}" if domain else short
    return f"{_HEADER}.\n{_LOCAL}" + "".join(f"{ip}\t{names}\n" for ip in ips) + aliases


def _alias_lines(aliases: Iterable[HostAlias]) -> Iterator[str]:
    for number, alias in enumerate(aliases):
        if number == 0:
            yield "\n# Entries added by HostAliases.\n"
        yield "\t".join((alias.ip, *alias.hostnames)) + "\n"


# /etc/resolv.conf -------------------------------------------------------------------------------


class Resolver(msgspec.Struct, frozen=True):
    """What `/etc/resolv.conf` says; options by name, with an empty value where there is none."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: Mapping[str, str] = {}

    def text(self) -> str:
        """As the file has it."""
        lines = []
        if self.searches:
            lines.append(f"search {' '.join(self.searches)}")
        lines.extend(f"nameserver {server}" for server in self.servers)
        if self.options:
            words = (f"{name}:{value}" if value else name for name, value in self.options.items())
            lines.append(f"options {' '.join(words)}")
        return "".join(f"{line}\n" for line in lines)


class ResolverOf(msgspec.Struct, frozen=True):
    """A pod's resolver, and what its owner should know of it."""

    resolver: Resolver
    warnings: tuple[str, ...] = ()


def read_resolver(text: str) -> Resolver:
    """What a `resolv.conf` says; of `search` lines the last counts, and of options of one name."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: dict[str, str] = {}
    for line in text.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *domains]:
                searches = tuple(domain.removesuffix(".") for domain in domains if domain != ".")
            case ["options", *words]:
                options.update(_options(words))
    return Resolver(tuple(servers), searches, options)


def _options(words: Iterable[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        name, _, value = word.partition(":")
        yield name, value


def resolver_of(pod: Pod, of_node: Resolver, dns: ClusterDNS = NO_CLUSTER_DNS) -> ResolverOf:
    """The resolver that the pod's `dnsPolicy` and `dnsConfig` ask for.

    Where the cluster's servers are not known, `ClusterFirst` means the node's own, as Kubernetes
    has it.
    """
    merged = _merged(_by_policy(pod, of_node, dns), pod.spec.dns_config)
    warnings = []
    servers = merged.servers[:_NAMESERVERS_MAX]
    if servers != merged.servers:
        warnings.append(
            "Nameserver limits were exceeded, some nameservers have been omitted, the applied "
            f"nameserver line is: {' '.join(servers)}"
        )
    searches = _within_limits(merged.searches)
    if searches != merged.searches:
        warnings.append(
            "Search Line limits were exceeded, some search paths have been omitted, the applied "
            f"search line is: {' '.join(searches)}"
        )
    return ResolverOf(Resolver(servers, searches, merged.options), tuple(warnings))


def _by_policy(pod: Pod, of_node: Resolver, dns: ClusterDNS) -> Resolver:
    policy = pod.spec.dns_policy
    if policy == DNSPolicy.NONE:
        return Resolver()
    in_cluster = policy == DNSPolicy.CLUSTER_FIRST_WITH_HOST_NET or (
        policy != DNSPolicy.DEFAULT and not pod.spec.host_network
    )
    if not in_cluster or not dns.servers:
        return of_node
    services = f"svc.{dns.domain}"
    searches = (f"{pod.namespace}.{services}", services, dns.domain) if dns.domain else ()
    return Resolver(dns.servers, _once((*searches, *of_node.searches)), {"ndots": "5"})


def _merged(base: Resolver, config: PodDNSConfig | None) -> Resolver:
    if config is None:
        return base
    options = {option.name: option.value or "" for option in config.options}
    return Resolver(
        _once((*base.servers, *config.nameservers)),
        _once((*base.searches, *config.searches)),
        {**base.options, **options},
    )


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _within_limits(searches: Sequence[str]) -> tuple[str, ...]:
    fit = [domain for domain in searches[:_SEARCHES_MAX] if len(domain) <= _DOMAIN_MAX]
    while len(" ".join(fit)) > _SEARCH_CHARS_MAX:
        fit.pop()
    return tuple(fit)

"""How much of a container's last message is told. Pure.

Source: kubernetes pkg/kubelet/container/runtime.go; pkg/kubelet/status/status_manager.go,
`normalizeStatus`.
"""

from typing import Final

from krustlet.objects import PodSpec

_LONGEST_BYTES: Final = 4096
_OF_A_POD_BYTES: Final = 12 * 1024


def share(spec: PodSpec) -> int:
    """How many bytes of each container's message are told: all containers share what there is."""
    containers = sum(1 for _ in spec.all_containers())
    return min(_LONGEST_BYTES, _OF_A_POD_BYTES // max(containers, 1))


def cut(message: str, most_bytes: int) -> str:
    """The beginning of `message`, without half a character at its end."""
    data = message.encode(errors="replace")
    return message if len(data) <= most_bytes else data[:most_bytes].decode(errors="ignore")

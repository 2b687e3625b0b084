"""Probes and hooks: what is asked of a container, and when."""

from krustlet.objects.shape import Shape


class ExecAction(Shape, frozen=True, kw_only=True):
    command: tuple[str, ...] = ()


class HTTPHeader(Shape, frozen=True, kw_only=True):
    name: str = ""
    value: str = ""


class HTTPGetAction(Shape, frozen=True, kw_only=True):
    """`port` is a number or the name of one of the container's ports."""

    path: str = ""
    port: int | str = 0
    host: str = ""
    scheme: str = ""
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(Shape, frozen=True, kw_only=True):
    """`port` is a number or the name of one of the container's ports."""

    port: int | str = 0
    host: str = ""


class GRPCAction(Shape, frozen=True, kw_only=True):
    port: int = 0
    service: str | None = None


class SleepAction(Shape, frozen=True, kw_only=True):
    seconds: int = 0


class Probe(Shape, frozen=True, kw_only=True):
    """Exactly one of the four actions is set; 0 stands for the default of a figure."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    timeout_seconds: int = 0
    period_seconds: int = 0
    success_threshold: int = 0
    failure_threshold: int = 0
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(Shape, frozen=True, kw_only=True):
    """Exactly one is set; `tcp_socket` is accepted by the API but never was carried out."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None
    sleep: SleepAction | None = None


class Lifecycle(Shape, frozen=True, kw_only=True):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None
    stop_signal: str | None = None

"""What can go wrong with processes."""

from krustlet.base.errors import KrustletError


class ProcessError(KrustletError):
    """The supervisor, or something asked of it, failed."""

    reason = "RunContainerError"
    retryable = True


class StartRefused(ProcessError):
    """The supervisor did not start a container; none of it is left."""


class SupervisorUnavailable(ProcessError):
    """No supervisor answers, or the one that did is gone; its containers died with it."""


class NotRunning(ProcessError):
    """What somebody wanted into does not run."""

    retryable = False

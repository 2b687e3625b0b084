"""The only speaker to the API server.

Reads a kubeconfig, and gets, lists, watches and writes objects over connections of its own. Knows
where objects are found and how they travel; leaves what they mean to `krustlet.objects` and to
whoever asks.
"""

from krustlet.kube.answers import Listing, ObjectId
from krustlet.kube.changes import Applied, Change, Listed, Removed
from krustlet.kube.client import FIELD_MANAGER, KubeClient, PatchKind
from krustlet.kube.config import KubeConfig
from krustlet.kube.credentials import ClientCertificate, Credentials, Identity
from krustlet.kube.errors import (
    AlreadyExists,
    ApiError,
    ApiUnavailable,
    BadRequest,
    Conflict,
    CredentialsUnavailable,
    Forbidden,
    Gone,
    Invalid,
    KubeConfigError,
    KubeError,
    NamespaceEnding,
    NotFound,
    TooManyRequests,
    Unauthorized,
    UnreadableAnswer,
)
from krustlet.kube.kubeconfig import load_kubeconfig
from krustlet.kube.kubeconfig_writing import kubeconfig_of
from krustlet.kube.limiter import RateLimiter
from krustlet.kube.reflector import Source, reflect, reflect_one
from krustlet.kube.watch import WatchEvent, WatchType

__all__ = [
    "FIELD_MANAGER",
    "AlreadyExists",
    "ApiError",
    "ApiUnavailable",
    "Applied",
    "BadRequest",
    "Change",
    "ClientCertificate",
    "Conflict",
    "Credentials",
    "CredentialsUnavailable",
    "Forbidden",
    "Gone",
    "Identity",
    "Invalid",
    "KubeClient",
    "KubeConfig",
    "KubeConfigError",
    "KubeError",
    "Listed",
    "Listing",
    "NamespaceEnding",
    "NotFound",
    "ObjectId",
    "PatchKind",
    "RateLimiter",
    "Removed",
    "Source",
    "TooManyRequests",
    "Unauthorized",
    "UnreadableAnswer",
    "WatchEvent",
    "WatchType",
    "kubeconfig_of",
    "load_kubeconfig",
    "reflect",
    "reflect_one",
]

"""What is wrong with security contexts."""

from typing import Final

from krustlet.objects.path import FieldPath
from krustlet.objects.security import (
    AppArmorProfile,
    PodSecurityContext,
    SeccompProfile,
    SecurityContext,
)
from krustlet.objects.validation.problem import (
    Problem,
    Problems,
    one_of,
    relative_path,
    required,
    within,
)
from krustlet.objects.words import FSGroupChangePolicy, ProfileType, SupplementalGroupsPolicy

_ID_MAX: Final = 2**31 - 1


def container_security(at: FieldPath, context: SecurityContext) -> Problems:
    yield from _user_and_group(at, context)
    yield from _profiles(at, context.seccomp_profile, context.app_armor_profile)
    if context.allow_privilege_escalation is False and context.privileged:
        yield Problem(at / "allowPrivilegeEscalation", "cannot be false beside `privileged: true`")


def pod_security(at: FieldPath, context: PodSecurityContext) -> Problems:
    yield from _user_and_group(at, context)
    yield from within(at / "fsGroup", context.fs_group, least=0, most=_ID_MAX)
    for index, group in enumerate(context.supplemental_groups):
        yield from within(at / "supplementalGroups" / index, group, least=0, most=_ID_MAX)
    yield from one_of(
        at / "supplementalGroupsPolicy",
        context.supplemental_groups_policy,
        SupplementalGroupsPolicy,
    )
    change = context.fs_group_change_policy
    yield from one_of(at / "fsGroupChangePolicy", change, FSGroupChangePolicy)
    yield from _profiles(at, context.seccomp_profile, context.app_armor_profile)


def _user_and_group(at: FieldPath, context: SecurityContext | PodSecurityContext) -> Problems:
    yield from within(at / "runAsUser", context.run_as_user, least=0, most=_ID_MAX)
    yield from within(at / "runAsGroup", context.run_as_group, least=0, most=_ID_MAX)


def _profiles(
    at: FieldPath, seccomp: SeccompProfile | None, app_armor: AppArmorProfile | None
) -> Problems:
    if seccomp is not None:
        yield from _profile(at / "seccompProfile", seccomp)
        yield from relative_path(
            at / "seccompProfile" / "localhostProfile", seccomp.localhost_profile or ""
        )
    if app_armor is not None:
        yield from _profile(at / "appArmorProfile", app_armor)


def _profile(at: FieldPath, profile: SeccompProfile | AppArmorProfile) -> Problems:
    yield from required(at / "type", profile.type)
    yield from one_of(at / "type", profile.type, ProfileType)
    if profile.type == ProfileType.LOCALHOST:
        yield from required(at / "localhostProfile", profile.localhost_profile)
    elif profile.localhost_profile is not None:
        yield Problem(at / "localhostProfile", "belongs to the type `Localhost` alone")

"""The filter of system calls, run here by a small interpreter of BPF in place of the kernel's."""

import errno
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krustlet.process import calls, seccomp
from krustlet.process.seccomp import AARCH64, X86_64, build

ALLOW = "allow"
KILL = "kill"
ARCHITECTURES = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}
I386 = 0x40000003
ARM = 0x40000028
# What a C library asks for with CLONE_THREAD, and without.
THREAD = 0x3D0F00
FORK = 0x1200011


def run(program: bytes, architecture: int, number: int, arguments: Sequence[int] = ()) -> str:
    """What the kernel would do with a call; an error's name, if that is the answer."""
    words = [*arguments, *[0] * (6 - len(arguments))]
    data = number.to_bytes(4, "little") + architecture.to_bytes(4, "little") + bytes(8)
    data += b"".join((word & (1 << 64) - 1).to_bytes(8, "little") for word in words)
    at = accumulator = 0
    while True:
        instruction = program[at * 8 : at * 8 + 8]
        code = int.from_bytes(instruction[:2], "little")
        value = int.from_bytes(instruction[4:], "little")
        at += 1
        match code:
            case 0x20:
                accumulator = int.from_bytes(data[value : value + 4], "little")
            case 0x15:
                at += instruction[2] if accumulator == value else instruction[3]
            case 0x35:
                at += instruction[2] if accumulator >= value else instruction[3]
            case 0x45:
                at += instruction[2] if accumulator & value else instruction[3]
            case 0x06:
                return answer(value)
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


def answer(value: int) -> str:
    if value == 0x7FFF0000:
        return ALLOW
    if value == 0x80000000:
        return KILL
    assert value >> 16 == 5, hex(value)
    return errno.errorcode[value & 0xFFFF]


def asked(
    machine: str, number: int, arguments: Sequence[int] = (), *, network: bool = False
) -> str:
    return run(build(machine, network=network), ARCHITECTURES[machine], number, arguments)


# Of what a guest that broke out would want first: name, number on x86_64, on aarch64.
REFUSED = [
    ("execve", 59, 221),
    ("execveat", 322, 281),
    ("fork", 57, None),
    ("vfork", 58, None),
    ("ptrace", 101, 117),
    ("kill", 62, 129),
    ("tkill", 200, 130),
    ("rt_sigqueueinfo", 129, 138),
    ("pidfd_open", 434, 434),
    ("pidfd_send_signal", 424, 424),
    ("pidfd_getfd", 438, 438),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("pivot_root", 155, 41),
    ("chroot", 161, 51),
    ("open_tree", 428, 428),
    ("move_mount", 429, 429),
    ("mount_setattr", 442, 442),
    ("setns", 308, 268),
    ("unshare", 272, 97),
    ("sethostname", 170, 161),
    ("bpf", 321, 280),
    ("perf_event_open", 298, 241),
    ("userfaultfd", 323, 282),
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("keyctl", 250, 219),
    ("open_by_handle_at", 304, 265),
    ("name_to_handle_at", 303, 264),
    ("mknodat", 259, 33),
    ("fchownat", 260, 54),
    ("fchmodat", 268, 53),
    ("setuid", 105, 146),
    ("setresuid", 117, 147),
    ("setgroups", 116, 159),
    ("capset", 126, 91),
    ("personality", 135, 92),
    ("pkey_mprotect", 329, 288),
    ("shmat", 30, 196),
    ("init_module", 175, 105),
    ("reboot", 169, 142),
    ("seccomp", 317, 277),
]


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0])
def test_what_no_guest_needs_is_not_permitted(
    row: tuple[str, int, int | None], *, network: bool
) -> None:
    for machine, number in zip((X86_64, AARCH64), row[1:], strict=True):
        if number is not None:
            assert asked(machine, number, network=network) == "EPERM"


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize(
    ("machine", "numbers"),
    [
        # read, write, close, exit_group, rt_sigreturn, futex, openat2, epoll_create1
        (X86_64, [0, 1, 3, 231, 15, 202, 437, 291]),
        (AARCH64, [63, 64, 57, 94, 139, 98, 437, 20]),
    ],
)
def test_what_every_guest_needs_is_allowed(
    machine: str, numbers: list[int], *, network: bool
) -> None:
    assert {asked(machine, number, network=network) for number in numbers} == {ALLOW}


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_calls_of_another_architecture_end_the_process(machine: str) -> None:
    program = build(machine, network=True)
    for architecture in {I386, ARM, *ARCHITECTURES.values()} - {ARCHITECTURES[machine]}:
        assert run(program, architecture, 0) == KILL


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_calls_newer_than_the_list_are_not_there(machine: str) -> None:
    assert asked(machine, 470) == asked(machine, 10_000) == "ENOSYS"


def test_the_other_numbers_of_x86_64_are_not_permitted() -> None:
    x32 = 1 << 30
    assert asked(X86_64, x32 | 0) == asked(X86_64, x32 | 520) == "EPERM"
    assert asked(X86_64, 0xFFFF_FFFF) == "EPERM"


CONDITIONS = [
    pytest.param("clone", 56, 220, [THREAD], ALLOW, id="a-thread"),
    pytest.param("clone", 56, 220, [FORK], "EPERM", id="a-process"),
    pytest.param("clone", 56, 220, [THREAD | 0x10000000], "EPERM", id="a-user-namespace"),
    pytest.param("clone", 56, 220, [THREAD | 0x20000], "EPERM", id="a-mount-namespace"),
    pytest.param("clone3", 435, 435, [], "ENOSYS", id="clone3-for-which-clone-is-tried"),
    pytest.param("mmap", 9, 222, [0, 4096, 3], ALLOW, id="memory-to-write"),
    pytest.param("mmap", 9, 222, [0, 4096, 5], "EPERM", id="memory-to-execute"),
    pytest.param("mprotect", 10, 226, [0, 4096, 1], ALLOW, id="memory-made-readable"),
    pytest.param("mprotect", 10, 226, [0, 4096, 4], "EPERM", id="memory-made-executable"),
    pytest.param("ioctl", 16, 29, [1, 0x5401], ALLOW, id="is-it-a-terminal"),
    pytest.param("ioctl", 16, 29, [1, 0x5412], "EPERM", id="typing-into-a-terminal"),
    pytest.param("ioctl", 16, 29, [1, 0x541C], "EPERM", id="pasting-into-a-console"),
    pytest.param("fcntl", 72, 25, [1, 4, 0x800], ALLOW, id="non-blocking"),
    pytest.param("fcntl", 72, 25, [1, 8, 1], "EPERM", id="signals-for-another"),
    pytest.param("prctl", 157, 167, [15], ALLOW, id="a-threads-name"),
    pytest.param("prctl", 157, 167, [1, 0], "EPERM", id="outliving-the-parent"),
    pytest.param("prctl", 157, 167, [4, 1], "EPERM", id="being-dumped"),
    pytest.param("prlimit64", 302, 261, [0, 7, 0, 4096], ALLOW, id="asking-for-a-limit"),
    pytest.param("prlimit64", 302, 261, [0, 7, 4096], "EPERM", id="changing-a-limit"),
    pytest.param("prlimit64", 302, 261, [0, 7, 1 << 40], "EPERM", id="changing-a-limit-from-far"),
    pytest.param("prlimit64", 302, 261, [1, 7, 0], "EPERM", id="asking-for-anothers-limit"),
    pytest.param("socketpair", 53, 199, [1, 1], ALLOW, id="a-pair-of-its-own"),
    pytest.param("socketpair", 53, 199, [1, 0o2004001], ALLOW, id="a-pair-of-an-engines"),
    pytest.param("socketpair", 53, 199, [1, 2], "EPERM", id="a-pair-that-sends-to-others"),
    pytest.param("socketpair", 53, 199, [30, 1], "EPERM", id="a-pair-of-tipc"),
]


@pytest.mark.parametrize("network", [True, False])
@pytest.mark.parametrize(("name", "x86_64", "aarch64", "arguments", "wanted"), CONDITIONS)
def test_arguments_decide(
    name: str, x86_64: int, aarch64: int, arguments: list[int], wanted: str, *, network: bool
) -> None:
    assert asked(X86_64, x86_64, arguments, network=network) == wanted, name
    assert asked(AARCH64, aarch64, arguments, network=network) == wanted, name


INET, INET6, UNIX, NETLINK, PACKET, VSOCK, ALG = 2, 10, 1, 16, 17, 40, 38


@pytest.mark.parametrize(("machine", "number"), [(X86_64, 41), (AARCH64, 198)])
def test_sockets_are_those_of_the_internet(machine: str, number: int) -> None:
    def opened(*arguments: int) -> str:
        return asked(machine, number, arguments, network=True)

    for domain in (INET, INET6):
        assert opened(domain, 1, 0) == opened(domain, 2, 17) == opened(domain, 1, 6) == ALLOW
        assert opened(domain, 1, 132) == opened(domain, 2, 1) == opened(domain, 3, 255) == "EPERM"
    for domain in (UNIX, NETLINK, PACKET, VSOCK, ALG):
        assert opened(domain, 1, 0) == "EPERM"


@pytest.mark.parametrize(
    ("machine", "numbers"),
    [(X86_64, [41, 42, 49, 50, 43, 288, 46]), (AARCH64, [198, 203, 200, 201, 202, 242, 211])],
)
def test_without_a_network_there_are_no_sockets(machine: str, numbers: list[int]) -> None:
    arguments = [INET, 1, 0]
    assert {asked(machine, n, arguments, network=True) for n in numbers} == {ALLOW}
    assert {asked(machine, n, arguments, network=False) for n in numbers} == {"EPERM"}


@given(st.integers(0, 469), st.booleans())
def test_each_number_is_answered_as_its_row_says(number: int, network: bool) -> None:
    """The search finds the very row, wherever in the tree it ended up."""
    text = calls.CALLS + (calls.NETWORK_CALLS if network else "")
    listed = {int(row.split()[1]) for row in text.splitlines() if row}
    decided = {9, 10, 16, 41, 53, 56, 72, 157, 234, 302, 435}
    if number not in decided:
        wanted = ALLOW if number in listed else "EPERM"
        assert asked(X86_64, number, network=network) == wanted


@pytest.mark.parametrize("machine", [X86_64, AARCH64])
def test_no_call_is_listed_twice_or_with_anothers_number(machine: str) -> None:
    rows = [row for row, _ in seccomp._rows(network=True)]
    column = {X86_64: 1, AARCH64: 2}[machine]
    numbers = [row.split()[column] for row in rows if row.split()[column] != "-"]
    assert len(numbers) == len(set(numbers))
    assert len({row.split()[0] for row in rows}) == len(rows)

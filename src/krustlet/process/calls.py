"""The system calls that a guest's engine makes, and with which arguments.

Most are needed by the engine itself, by WASI's files, clocks and sockets, or by threads; how they
were found is told in docs/why/walls.md. What is made of the list is `seccomp`'s.
"""

from typing import Final

# name, number on x86_64, number on aarch64
CALLS: Final = """
read 0 63
write 1 64
readv 19 65
writev 20 66
pread64 17 67
pwrite64 18 68
preadv 295 69
pwritev 296 70
preadv2 327 286
pwritev2 328 287
lseek 8 62
close 3 57
close_range 436 436
dup 32 23
dup2 33 -
dup3 292 24
pipe2 293 59

open 2 -
openat 257 56
openat2 437 437
stat 4 -
lstat 6 -
fstat 5 80
newfstatat 262 79
statx 332 291
statfs 137 43
fstatfs 138 44
access 21 -
faccessat 269 48
faccessat2 439 439
readlink 89 -
readlinkat 267 78
getdents64 217 61
getcwd 79 17
mkdir 83 -
mkdirat 258 34
unlink 87 -
rmdir 84 -
unlinkat 263 35
rename 82 -
renameat 264 38
renameat2 316 276
linkat 265 37
symlinkat 266 36
utimensat 280 88
fsync 74 82
fdatasync 75 83
ftruncate 77 46
fallocate 285 47
fadvise64 221 223
copy_file_range 326 285

brk 12 214
munmap 11 215
mremap 25 216
madvise 28 233
memfd_create 319 279
membarrier 324 283

futex 202 98
set_robust_list 273 99
rseq 334 293
gettid 186 178
getpid 39 172
getppid 110 173
getuid 102 174
geteuid 107 175
getgid 104 176
getegid 108 177
sched_yield 24 124
sched_getaffinity 204 123
getcpu 309 168
getrusage 98 165
uname 63 160
exit 60 93
exit_group 231 94

rt_sigaction 13 134
rt_sigprocmask 14 135
rt_sigreturn 15 139
sigaltstack 131 132
restart_syscall 219 128

clock_gettime 228 113
clock_getres 229 114
clock_nanosleep 230 115
nanosleep 35 101
gettimeofday 96 169
time 201 -
getrandom 318 278

poll 7 -
ppoll 271 73
select 23 -
pselect6 270 72
epoll_create1 291 20
epoll_ctl 233 21
epoll_wait 232 -
epoll_pwait 281 22
epoll_pwait2 441 441
eventfd2 290 19
timerfd_create 283 85
timerfd_settime 286 86
timerfd_gettime 287 87

sendto 44 206
recvfrom 45 207
shutdown 48 210
getsockopt 55 209
"""
NETWORK_CALLS: Final = """
bind 49 200
connect 42 203
listen 50 201
accept 43 202
accept4 288 242
getsockname 51 204
getpeername 52 205
setsockopt 54 208
sendmsg 46 211
recvmsg 47 212
sendmmsg 307 269
recvmmsg 299 243
"""
# Allowed with some arguments only: see `seccomp`.
MMAP: Final = "mmap 9 222"
MPROTECT: Final = "mprotect 10 226"
CLONE: Final = "clone 56 220"
CLONE3: Final = "clone3 435 435"
TGKILL: Final = "tgkill 234 131"
PRLIMIT: Final = "prlimit64 302 261"
IOCTL: Final = "ioctl 16 29"
FCNTL: Final = "fcntl 72 25"
PRCTL: Final = "prctl 157 167"
SOCKET: Final = "socket 41 198"
SOCKETPAIR: Final = "socketpair 53 199"

PROT_EXEC: Final = 0x4
CLONE_THREAD: Final = 0x0001_0000
CLONE_NEW_ANYTHING: Final = 0x7E02_0080  # any namespace
IOCTLS: Final = (
    0x5401,  # TCGETS: is this a terminal?
    0x802C_542A,  # TCGETS2: the same, asked by newer C libraries
    0x5413,  # TIOCGWINSZ
    0x541B,  # FIONREAD
    0x5421,  # FIONBIO
    0x5450,  # FIONCLEX
    0x5451,  # FIOCLEX
)
FCNTLS: Final = (
    0,  # F_DUPFD
    1,  # F_GETFD
    2,  # F_SETFD
    3,  # F_GETFL
    4,  # F_SETFL
    1030,  # F_DUPFD_CLOEXEC
    1033,  # F_ADD_SEALS: of a memfd that memory is made of
    1034,  # F_GET_SEALS
)
PRCTLS: Final = (
    15,  # PR_SET_NAME: of a thread
    0x5356_4D41,  # PR_SET_VMA: the name of memory
)
AF_UNIX: Final = 1
AF_INET: Final = 2
AF_INET6: Final = 10
PROTOCOLS: Final = (0, 6, 17)  # the type's own, TCP, UDP
# SOCK_STREAM, SOCK_NONBLOCK and SOCK_CLOEXEC: of a pair nothing else stays one, as datagrams can be
# sent to any socket of the node's that has a name in a volume, or an abstract one.
PAIRS: Final = (1, 1 | 0o4000, 1 | 0o2000000, 1 | 0o2004000)

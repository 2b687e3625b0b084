"""Command components of preview 2, written by hand in the component text format.

Owns the few interfaces that the guests below use, as far as they use them. Each function returns
the text of a component; `run_version` is of the `wasi:cli/run` that it exports.
"""

from typing import Final

_RUN_VERSION: Final = "0.2.0"

# A place for what the host hands over (nothing is given back), and room for its answers before it.
_MEMORY: Final = """
  (core module $memory
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 4096))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3)))))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (alias core export $m "realloc" (core func $realloc))
"""

_EXIT: Final = """
  (import "wasi:cli/exit@{version}" (instance $exit
    (export "exit" (func (param "status" (result))))
    (export "exit-with-code" (func (param "status-code" u8)))))
  (core func $exit (canon lower (func $exit "exit")))
  (core func $exit_with_code (canon lower (func $exit "exit-with-code")))
"""

_STREAMS: Final = """
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "output-stream" (type $output (sub resource)))
    (alias outer 1 $error (type $e))
    (export "error" (type $error (eq $e)))
    (type $failure (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $stream-error (eq $failure)))
    (export "[method]output-stream.blocking-write-and-flush" (func
      (param "self" (borrow $output)) (param "contents" (list u8))
      (result (result (error $stream-error)))))))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $output (type $o))
    (export "output-stream" (type $output (eq $o)))
    (export "get-stdout" (func (result (own $output))))))
  (core func $write (canon lower
    (func $streams "[method]output-stream.blocking-write-and-flush") (memory $mem)))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
"""

_PRINT: Final = """
    (import "host" "write" (func $write (param i32 i32 i32 i32)))
    (import "host" "stdout" (func $stdout (result i32)))
    (global $out (mut i32) (i32.const -1))
    (func $print (param $at i32) (param $bytes i32)
      (if (i32.eq (global.get $out) (i32.const -1)) (then (global.set $out (call $stdout))))
      (call $write (global.get $out) (local.get $at) (local.get $bytes) (i32.const 0))
      (if (i32.load8_u (i32.const 0)) (then unreachable)))
    (func $end_line (call $print (i32.const 1024) (i32.const 1)))
    (data (i32.const 1024) "\\n")
"""
_PRINT_GIVEN: Final = '(export "write" (func $write)) (export "stdout" (func $stdout))'

_ENVIRONMENT: Final = """
  (import "wasi:cli/environment@0.2.0" (instance $environment
    (export "get-environment" (func (result (list (tuple string string)))))
    (export "get-arguments" (func (result (list string))))))
  (core func $variables (canon lower
    (func $environment "get-environment") (memory $mem) (realloc $realloc)))
  (core func $arguments (canon lower
    (func $environment "get-arguments") (memory $mem) (realloc $realloc)))
"""

_FILES: Final = """
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (export "descriptor" (type $descriptor (sub resource)))
    (type $path-flags' (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $path-flags')))
    (type $open-flags' (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $open-flags')))
    (type $descriptor-flags' (flags "read" "write" "file-integrity-sync" "data-integrity-sync"
      "requested-write-sync" "mutate-directory"))
    (export "descriptor-flags" (type $descriptor-flags (eq $descriptor-flags')))
    (type $code' (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota"
      "exist" "file-too-large" "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io"
      "is-directory" "loop" "too-many-links" "message-size" "name-too-long" "no-device" "no-entry"
      "no-lock" "insufficient-memory" "insufficient-space" "not-directory" "not-empty"
      "not-recoverable" "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted" "pipe"
      "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $code (eq $code')))
    (export "[method]descriptor.open-at" (func
      (param "self" (borrow $descriptor)) (param "path-flags" $path-flags) (param "path" string)
      (param "open-flags" $open-flags) (param "flags" $descriptor-flags)
      (result (result (own $descriptor) (error $code)))))
    (export "[method]descriptor.read" (func
      (param "self" (borrow $descriptor)) (param "length" u64) (param "offset" u64)
      (result (result (tuple (list u8) bool) (error $code)))))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $d))
    (export "descriptor" (type $descriptor (eq $d)))
    (export "get-directories" (func (result (list (tuple (own $descriptor) string)))))))
  (core func $directories (canon lower
    (func $preopens "get-directories") (memory $mem) (realloc $realloc)))
  (core func $open (canon lower
    (func $files "[method]descriptor.open-at") (memory $mem)))
  (core func $read (canon lower
    (func $files "[method]descriptor.read") (memory $mem) (realloc $realloc)))
"""

_NETWORK: Final = """
  (import "wasi:sockets/network@0.2.0" (instance $network
    (export "network" (type (sub resource)))
    (type $code (enum "unknown" "access-denied" "not-supported" "invalid-argument" "out-of-memory"
      "timeout" "concurrency-conflict" "not-in-progress" "would-block" "invalid-state"
      "new-socket-limit" "address-not-bindable" "address-in-use" "remote-unreachable"
      "connection-refused" "connection-reset" "connection-aborted" "datagram-too-large"
      "name-unresolvable" "temporary-resolver-failure" "permanent-resolver-failure"))
    (export "error-code" (type (eq $code)))
    (type $family (enum "ipv4" "ipv6"))
    (export "ip-address-family" (type (eq $family)))
    (type $ipv4' (tuple u8 u8 u8 u8))
    (export "ipv4-address" (type $ipv4 (eq $ipv4')))
    (type $ipv6' (tuple u16 u16 u16 u16 u16 u16 u16 u16))
    (export "ipv6-address" (type $ipv6 (eq $ipv6')))
    (type $at4' (record (field "port" u16) (field "address" $ipv4)))
    (export "ipv4-socket-address" (type $at4 (eq $at4')))
    (type $at6' (record (field "port" u16) (field "flow-info" u32) (field "address" $ipv6)
      (field "scope-id" u32)))
    (export "ipv6-socket-address" (type $at6 (eq $at6')))
    (type $at' (variant (case "ipv4" $at4) (case "ipv6" $at6)))
    (export "ip-socket-address" (type $at (eq $at')))))
  (alias export $network "network" (type $network))
  (alias export $network "error-code" (type $code))
  (alias export $network "ip-address-family" (type $family))
  (alias export $network "ip-socket-address" (type $at))
  (import "wasi:sockets/instance-network@0.2.0" (instance $host
    (alias outer 1 $network (type $n))
    (export "network" (type $network (eq $n)))
    (export "instance-network" (func (result (own $network))))))
  (core func $network (canon lower (func $host "instance-network")))
"""

_SOCKETS: Final = """
  (import "wasi:io/streams@0.2.0" (instance $streams
    (export "input-stream" (type (sub resource)))
    (export "output-stream" (type (sub resource)))))
  (alias export $streams "input-stream" (type $input))
  (alias export $streams "output-stream" (type $output))
  (import "wasi:sockets/tcp@0.2.0" (instance $tcp
    (export "tcp-socket" (type $socket (sub resource)))
    (alias outer 1 $network (type $n)) (export "network" (type $network (eq $n)))
    (alias outer 1 $code (type $c)) (export "error-code" (type $code (eq $c)))
    (alias outer 1 $at (type $a)) (export "ip-socket-address" (type $at (eq $a)))
    (export "[method]tcp-socket.start-connect" (func
      (param "self" (borrow $socket)) (param "network" (borrow $network))
      (param "remote-address" $at) (result (result (error $code)))))
    (alias outer 1 $input (type $i)) (export "input-stream" (type $input (eq $i)))
    (alias outer 1 $output (type $o)) (export "output-stream" (type $output (eq $o)))
    (export "[method]tcp-socket.finish-connect" (func (param "self" (borrow $socket))
      (result (result (tuple (own $input) (own $output)) (error $code)))))))
  (alias export $tcp "tcp-socket" (type $socket))
  (import "wasi:sockets/tcp-create-socket@0.2.0" (instance $create
    (alias outer 1 $socket (type $s)) (export "tcp-socket" (type $socket (eq $s)))
    (alias outer 1 $code (type $c)) (export "error-code" (type $code (eq $c)))
    (alias outer 1 $family (type $f)) (export "ip-address-family" (type $family (eq $f)))
    (export "create-tcp-socket" (func
      (param "address-family" $family) (result (result (own $socket) (error $code)))))))
  (core func $create (canon lower (func $create "create-tcp-socket") (memory $mem)))
  (core func $connect (canon lower
    (func $tcp "[method]tcp-socket.start-connect") (memory $mem)))
  (core func $finish (canon lower
    (func $tcp "[method]tcp-socket.finish-connect") (memory $mem)))
"""

_NAMES: Final = """
  (import "wasi:sockets/ip-name-lookup@0.2.0" (instance $names
    (export "resolve-address-stream" (type $stream (sub resource)))
    (alias outer 1 $network (type $n)) (export "network" (type $network (eq $n)))
    (alias outer 1 $code (type $c)) (export "error-code" (type $code (eq $c)))
    (export "resolve-addresses" (func
      (param "network" (borrow $network)) (param "name" string)
      (result (result (own $stream) (error $code)))))))
  (core func $resolve (canon lower (func $names "resolve-addresses") (memory $mem)))
"""


def returning(result: int, *, run_version: str = _RUN_VERSION) -> str:
    """Returns from `run` at once: 0 is well, 1 is not."""
    return _command("", f"(i32.const {result})", given="", run_version=run_version)


def exiting(function: str, status: int, *, version: str = "0.2.9") -> str:
    """Ends itself by `exit` or `exit-with-code` of that version, in a call of a call."""
    body = f"""
    (import "host" "{function}" (func $end (param i32)))
    (func $inner (call $end (i32.const {status})))
    """
    given = '(export "exit" (func $exit)) (export "exit-with-code" (func $exit_with_code))'
    # Should it go on, it says that all was well.
    return _command(
        _EXIT.format(version=version), "(call $inner) (i32.const 0)", given=given, body=body
    )


def printing(text: str, *, after: str = "(i32.const 0)") -> str:
    """Prints `text`, which is no longer than a few thousand characters; then does `after`."""
    body = f'{_PRINT} (data (i32.const 2048) "{text}")'
    run = f"(call $print (i32.const 2048) (i32.const {len(text.encode())})) {after}"
    return _command(_STREAMS, run, given=_PRINT_GIVEN, body=body)


def listing() -> str:
    """Prints each argument on a line, then each variable as `name=value`."""
    body = f"""{_PRINT}
    (import "host" "arguments" (func $arguments (param i32)))
    (import "host" "variables" (func $variables (param i32)))
    (data (i32.const 1025) "=")
    (func $string (param $at i32)
      (call $print (i32.load (local.get $at)) (i32.load offset=4 (local.get $at))))
    (func $list (param $bytes i32)
      (local $at i32) (local $end i32)
      (local.set $at (i32.load (i32.const 16)))
      (local.set $end
        (i32.add (local.get $at) (i32.mul (i32.load (i32.const 20)) (local.get $bytes))))
      (block $done (loop $next
        (br_if $done (i32.eq (local.get $at) (local.get $end)))
        (call $string (local.get $at))
        (if (i32.eq (local.get $bytes) (i32.const 16)) (then
          (call $print (i32.const 1025) (i32.const 1))
          (call $string (i32.add (local.get $at) (i32.const 8)))))
        (call $end_line)
        (local.set $at (i32.add (local.get $at) (local.get $bytes)))
        (br $next))))
    """
    run = """
      (call $arguments (i32.const 16)) (call $list (i32.const 8))
      (call $variables (i32.const 16)) (call $list (i32.const 16))
      (i32.const 0)
    """
    given = f"""{_PRINT_GIVEN}
      (export "arguments" (func $arguments)) (export "variables" (func $variables))"""
    return _command(_STREAMS + _ENVIRONMENT, run, given=given, body=body)


def reading(path: str) -> str:
    """Prints the file `path` of its first directory; fails if it cannot be opened."""
    body = f"""{_PRINT}
    (import "host" "directories" (func $directories (param i32)))
    (import "host" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "host" "read" (func $read (param i32 i64 i64 i32)))
    (data (i32.const 2048) "{path}")
    """
    run = f"""
      (call $directories (i32.const 16))
      (if (i32.eqz (i32.load (i32.const 20))) (then (return (i32.const 1))))
      (call $open (i32.load (i32.load (i32.const 16))) (i32.const 1)
        (i32.const 2048) (i32.const {len(path.encode())}) (i32.const 0) (i32.const 1)
        (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then (return (i32.const 1))))
      (call $read (i32.load (i32.const 36)) (i64.const 1000) (i64.const 0) (i32.const 48))
      (if (i32.load8_u (i32.const 48)) (then unreachable))
      (call $print (i32.load (i32.const 52)) (i32.load (i32.const 56)))
      (i32.const 0)
    """
    given = f"""{_PRINT_GIVEN} (export "directories" (func $directories))
      (export "open" (func $open)) (export "read" (func $read))"""
    return _command(_STREAMS + _FILES, run, given=given, body=body)


def connecting(port: int) -> str:
    """Connects to 127.0.0.1; ends with the number of the error's case, or with 100."""
    body = """
    (import "host" "network" (func $network (result i32)))
    (import "host" "create" (func $create (param i32 i32)))
    (import "host" "end" (func $end (param i32)))
    (import "host" "finish" (func $finish (param i32 i32)))
    (import "host" "connect" (func $connect
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    """
    address = f"(i32.const 0) (i32.const {port}) (i32.const 127)"
    address += " (i32.const 0) (i32.const 0) (i32.const 1)" + " (i32.const 0)" * 6
    run = f"""
      (call $create (i32.const 0) (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then (call $end (i32.load8_u (i32.const 20)))))
      (call $connect (i32.load (i32.const 20)) (call $network) {address} (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then (call $end (i32.load8_u (i32.const 33)))))
      (loop $not_yet
        (call $finish (i32.load (i32.const 20)) (i32.const 48))
        (if (i32.load8_u (i32.const 48)) (then
          (br_if $not_yet (i32.eq (i32.load8_u (i32.const 52)) (i32.const 8))) ;; would-block
          (call $end (i32.load8_u (i32.const 52))))))
      (call $end (i32.const 100))
      (i32.const 0)
    """
    given = """(export "network" (func $network)) (export "create" (func $create))
      (export "connect" (func $connect)) (export "finish" (func $finish))
      (export "end" (func $exit_with_code))"""
    parts = _NETWORK + _SOCKETS + _EXIT.format(version="0.2.12")
    return _command(parts, run, given=given, body=body)


def opening_sockets() -> str:
    """Opens sockets without end; ends with 50 and the number of the error's case that stops it."""
    body = """
    (import "host" "create" (func $create (param i32 i32)))
    (import "host" "end" (func $end (param i32)))
    """
    run = """
      (loop $more
        (call $create (i32.const 0) (i32.const 16))
        (br_if $more (i32.eqz (i32.load8_u (i32.const 16)))))
      (call $end (i32.add (i32.const 50) (i32.load8_u (i32.const 20))))
      (i32.const 0)
    """
    given = '(export "create" (func $create)) (export "end" (func $exit_with_code))'
    parts = _NETWORK + _SOCKETS + _EXIT.format(version="0.2.12")
    return _command(parts, run, given=given, body=body)


def resolving(name: str) -> str:
    """Begins to look a name up; ends with the number of the error's case, or with 100."""
    body = f"""
    (import "host" "network" (func $network (result i32)))
    (import "host" "resolve" (func $resolve (param i32 i32 i32 i32)))
    (import "host" "end" (func $end (param i32)))
    (data (i32.const 2048) "{name}")
    """
    run = f"""
      (call $resolve (call $network) (i32.const 2048) (i32.const {len(name.encode())})
        (i32.const 16))
      (if (i32.load8_u (i32.const 16)) (then (call $end (i32.load8_u (i32.const 20)))))
      (call $end (i32.const 100))
      (i32.const 0)
    """
    given = """(export "network" (func $network)) (export "resolve" (func $resolve))
      (export "end" (func $exit_with_code))"""
    parts = _NETWORK + _NAMES + _EXIT.format(version="0.2.12")
    return _command(parts, run, given=given, body=body)


def doing(body: str) -> str:
    """Does what the body of `run` says, with no interface at all."""
    return _command("", body, given="")


def _command(
    interfaces: str, run: str, *, given: str, body: str = "", run_version: str = _RUN_VERSION
) -> str:
    imports = [line for line in body.split("\n    ") if line.startswith("(import")]
    rest = body
    for line in imports:
        rest = rest.replace(line, "")
    return f"""(component
  {_MEMORY}
  {interfaces}
  (core module $main
    (import "m" "memory" (memory 1))
    {" ".join(imports)}
    {rest}
    (func (export "run") (result i32) {run}))
  (core instance $main (instantiate $main
    (with "m" (instance $m)) (with "host" (instance {given}))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $r (export "run" (func $run)))
  (export "wasi:cli/run@{run_version}" (instance $r)))
"""

;; Proves that timers without end are contained: prints "ready", then waits for 100 000 clocks at
;; once, each an hour away; and again, should they be refused.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 130)
  (data (i32.const 16) "ready\n")
  (func (export "_start") (local $at i32)
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
    (local.set $at (i32.const 65536))
    (loop $next
      (i32.store offset=16 (local.get $at) (i32.const 1)) ;; the monotonic clock
      (i64.store offset=24 (local.get $at) (i64.const 3600000000000))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (br_if $next (i32.lt_u (local.get $at) (i32.const 4865536))))
    (loop $again
      (drop (call $poll_oneoff
        (i32.const 65536) (i32.const 4900000) (i32.const 100000) (i32.const 8)))
      (br $again))))

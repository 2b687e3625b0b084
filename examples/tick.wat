;; Print a line each second, for ever.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\05\00\00\00tick\n") ;; one iovec, then its text

  ;; A subscription to a clock: at 64 the user data, at 72 the kind (0, a clock), at 80 which clock
  ;; (1, monotonic), at 88 the nanoseconds, at 96 the precision, at 104 the flags (0, from now on).
  (func $sleep (param $nanoseconds i64)
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (local.get $nanoseconds))
    (drop (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192))))

  (func (export "_start")
    (loop $for_ever
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
      (call $sleep (i64.const 1_000_000_000))
      (br $for_ever))))

;; Work until the file /run/krustlet/terminating is there, then say goodbye and end.
(module
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get"
    (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff"
    (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 1)
  (data (i32.const 0) "\10\00\00\00\08\00\00\00") ;; one iovec: the text at 16
  (data (i32.const 16) "working\n")
  (data (i32.const 32) "\30\00\00\00\08\00\00\00") ;; another: the text at 48
  (data (i32.const 48) "goodbye\n")
  (data (i32.const 400) "run/krustlet/terminating")

  ;; Descriptor 3 is the root of what a guest sees; without root on the node there is none, and it is
  ;; the directory /run/krustlet itself, in which the name begins at 13.
  (func $is_there (param $name i32) (param $length i32) (result i32)
    (i32.eqz (call $path_filestat_get
      (i32.const 3) (i32.const 0) (local.get $name) (local.get $length) (i32.const 512))))

  (func $is_told_to_end (result i32)
    (i32.or
      (call $is_there (i32.const 400) (i32.const 24))
      (call $is_there (i32.const 413) (i32.const 11))))

  ;; A subscription to a clock: at 64 the user data, at 72 the kind (0, a clock), at 80 which clock
  ;; (1, monotonic), at 88 the nanoseconds, at 96 the precision, at 104 the flags (0, from now on).
  (func $sleep (param $nanoseconds i64)
    (i32.store (i32.const 80) (i32.const 1))
    (i64.store (i32.const 88) (local.get $nanoseconds))
    (drop (call $poll_oneoff (i32.const 64) (i32.const 128) (i32.const 1) (i32.const 192))))

  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 256)))
    (loop $until_told
      (call $sleep (i64.const 100_000_000))
      (br_if $until_told (i32.eqz (call $is_told_to_end))))
    (drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 256)))))

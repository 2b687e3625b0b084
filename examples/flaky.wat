;; Fail twice, then succeed. The runs are counted in the size of a file, as memory does not last.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_filestat_get"
    (func $fd_filestat_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit"
    (func $proc_exit (param i32)))

  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\01\00\00\00.")               ;; an iovec of one dot
  (data (i32.const 16) "\18\00\00\00\14\00\00\00not yet, try again.\n")
  (data (i32.const 48) "\38\00\00\00\16\00\00\00third time is a charm\n")
  (data (i32.const 80) "state/runs")

  ;; Descriptor 3 is the root of what a guest sees; without root on the node there is none, and it is
  ;; the volume, in which the name begins after "state/".
  (global $volume i32 (i32.const 3))
  (global $create i32 (i32.const 1))   ;; oflags
  (global $append i32 (i32.const 1))   ;; fdflags
  (global $rights i64 (i64.const 0x200040)) ;; fd_write, fd_filestat_get

  (func $must (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (i32.const 2)))))

  (func $open (param $name i32) (param $length i32) (result i32)
    (call $path_open
      (global.get $volume) (i32.const 0) (local.get $name) (local.get $length)
      (global.get $create) (global.get $rights) (i64.const 0) (global.get $append)
      (i32.const 128)))

  (func (export "_start") (local $file i32)
    (if (call $open (i32.const 80) (i32.const 10))
      (then (call $must (call $open (i32.const 86) (i32.const 4)))))
    (local.set $file (i32.load (i32.const 128)))
    (call $must (call $fd_write (local.get $file) (i32.const 0) (i32.const 1) (i32.const 132)))
    (call $must (call $fd_filestat_get (local.get $file) (i32.const 136)))
    (if (i64.lt_u (i64.load (i32.const 168)) (i64.const 3)) ;; its size
      (then
        (drop (call $fd_write (i32.const 2) (i32.const 16) (i32.const 1) (i32.const 132)))
        (call $proc_exit (i32.const 1))))
    (drop (call $fd_write (i32.const 1) (i32.const 48) (i32.const 1) (i32.const 132)))))

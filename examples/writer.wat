;; Write a message into /outbox: under another name first, then renamed, so that who waits for it
;; finds it whole.
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename"
    (func $path_rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit"
    (func $proc_exit (param i32)))

  (memory (export "memory") 1)
  (data (i32.const 0) "\08\00\00\00\15\00\00\00greetings, neighbour\n") ;; one iovec, then its text
  (data (i32.const 32) "outbox/message.part")

  ;; Descriptor 3 is the root of what a guest sees; without root on the node there is none, and it is
  ;; the volume, in which the names begin after "outbox/".
  (global $volume i32 (i32.const 3))
  (global $left_out (mut i32) (i32.const 0))

  (func $open (result i32)
    (call $path_open
      (global.get $volume) (i32.const 0)
      (i32.add (i32.const 32) (global.get $left_out))
      (i32.sub (i32.const 19) (global.get $left_out))
      (i32.const 9)                                         ;; create, truncate
      (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 64))) ;; to write

  (func $must (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (i32.const 1)))))

  (func (export "_start") (local $name i32)
    (if (call $open)
      (then
        (global.set $left_out (i32.const 7))
        (call $must (call $open))))
    (local.set $name (i32.add (i32.const 32) (global.get $left_out)))
    (call $must (call $fd_write
      (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 68)))
    (call $must (call $path_rename
      (global.get $volume) (local.get $name) (i32.sub (i32.const 19) (global.get $left_out))
      (global.get $volume) (local.get $name) (i32.sub (i32.const 14) (global.get $left_out))))))

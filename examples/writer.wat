;; Write a message into the first preopened directory: under another name first, then renamed, so
;; that who waits for it finds it whole.
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
  (data (i32.const 32) "message.part")

  (func $must (param $errno i32)
    (if (local.get $errno) (then (call $proc_exit (i32.const 1)))))

  (func (export "_start") (local $volume i32)
    (local.set $volume (i32.const 3))
    (call $must (call $path_open
      (local.get $volume) (i32.const 0) (i32.const 32) (i32.const 12)
      (i32.const 9)                                         ;; create, truncate
      (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 64))) ;; to write
    (call $must (call $fd_write
      (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 68)))
    (call $must (call $path_rename
      (local.get $volume) (i32.const 32) (i32.const 12)
      (local.get $volume) (i32.const 32) (i32.const 7)))))  ;; "message"

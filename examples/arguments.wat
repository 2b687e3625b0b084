;; Print the arguments, then the environment, one a line.
;;
;; WASI hands both over as texts that each end in a NUL, one after the other: with a newline in
;; place of each NUL they are ready to print.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get"
    (func $args_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get"
    (func $args_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get"
    (func $environ_sizes_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get"
    (func $environ_get (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write"
    (func $fd_write (param i32 i32 i32 i32) (result i32)))

  (memory (export "memory") 4)
  ;; 0: count, 4: size, 8: one iovec, 16: bytes written; from 64 Ki: pointers, from 128 Ki: texts
  (global $pointers i32 (i32.const 65536))
  (global $texts i32 (i32.const 131072))

  (func $print_texts
    (local $at i32) (local $end i32)
    (local.set $at (global.get $texts))
    (local.set $end (i32.add (global.get $texts) (i32.load (i32.const 4))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
        (if (i32.eqz (i32.load8_u (local.get $at)))
          (then (i32.store8 (local.get $at) (i32.const 10))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (i32.store (i32.const 8) (global.get $texts))
    (i32.store (i32.const 12) (i32.load (i32.const 4)))
    (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 16))))

  (func (export "_start")
    (drop (call $args_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $args_get (global.get $pointers) (global.get $texts)))
    (call $print_texts)
    (drop (call $environ_sizes_get (i32.const 0) (i32.const 4)))
    (drop (call $environ_get (global.get $pointers) (global.get $texts)))
    (call $print_texts)))

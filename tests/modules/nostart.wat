;; Proves that a module which is no command is refused, naming the exports that were found.
(module
  (memory (export "memory") 1)
  (func (export "run")))

// Proves that every trap is told by its cause and its source line: traps in the way that argv[1]
// names, three calls deep. Without libc, whose debug info would be a megabyte; debug info: kept.
#include <stddef.h>
#include <stdint.h>

#define WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(name)))

WASI("args_get") int args_get(char **argv, char *buffer);
WASI("args_sizes_get") int args_sizes_get(size_t *count, size_t *bytes);

static volatile int zero = 0;
static volatile size_t far_away = 0xfffffff0;

static void takes_two(int *a, int *b) { *a = *b; }
static void (*volatile function)(int *, int *) = takes_two;

__attribute__((noinline)) static int deeper(int depth) {
    return far_away == 0 ? depth : deeper(depth + 1) + zero;
}

static void unreachable(void) { __builtin_trap(); }

static void divides(void) { zero = (int)far_away / zero; }

static void loads(void) { zero = *(volatile int *)far_away; }

static void recurses(void) { zero = deeper(0); }

static void calls(void) {
    ((void (*)(int))function)(1);
}

static void grows(void) {
    while (__builtin_wasm_memory_grow(0, 16) != SIZE_MAX)
        ;
    __builtin_trap();  // as abort() does
}

static void (*const ways[])(void) = {unreachable, divides, loads, recurses, calls, grows};

__attribute__((noinline)) static void crash(int way) {
    ways[way]();
    zero = 0;  // so that this is no tail call
}

void _start(void) {
    static char *argv[8];
    static char buffer[256];
    size_t count, bytes;

    if (args_sizes_get(&count, &bytes) != 0 || count != 2 || bytes > sizeof buffer)
        return;
    if (args_get(argv, buffer) == 0)
        crash(argv[1][0] - '0');
}

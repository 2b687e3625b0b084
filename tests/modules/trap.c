// Proves that a trap is told with its backtrace: main calls middle calls boom, which traps.
#include <stdio.h>

__attribute__((noinline)) static void boom(void) {
    __builtin_trap();
}

__attribute__((noinline)) static void middle(void) {
    puts("about to trap");
    fflush(stdout);
    boom();
}

int main(void) {
    middle();
    return 0;
}

// Proves stopping a guest that never calls the host again: prints "ready", then loops for ever.
#include <stdio.h>

int main(void) {
    puts("ready");
    fflush(stdout);
    for (volatile unsigned turns = 0;; turns++)
        ;
}

// Proves that the two streams are told apart: prints argv[1] lines (default 3) to each, in turn.
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    long count = argc > 1 ? atol(argv[1]) : 3;

    for (long number = 0; number < count; number++) {
        fprintf(stdout, "out %ld\n", number);
        fflush(stdout);
        fprintf(stderr, "err %ld\n", number);
        fflush(stderr);
    }
    return 0;
}

// Proves that no line is lost while nobody listens: prints "tick N" argv[1] times, argv[2]
// milliseconds apart, then ends with the code argv[3] (0 without one).
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    long count = atol(argv[1]);
    long pause_ms = atol(argv[2]);
    struct timespec pause = {.tv_sec = pause_ms / 1000, .tv_nsec = pause_ms % 1000 * 1000000};

    for (long number = 0; number < count; number++) {
        printf("tick %ld\n", number);
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
    return argc > 3 ? atoi(argv[3]) : 0;
}

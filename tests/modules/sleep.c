// Proves stopping a guest that waits in the host: prints "ready", sleeps argv[1] seconds
// (default 3600, fractions allowed), prints "done".
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    double seconds = argc > 1 ? atof(argv[1]) : 3600;
    struct timespec wait = {.tv_sec = (time_t)seconds};
    wait.tv_nsec = (long)((seconds - (double)wait.tv_sec) * 1e9);

    puts("ready");
    fflush(stdout);
    nanosleep(&wait, NULL);
    puts("done");
    return 0;
}

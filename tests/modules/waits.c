// A guest that wants its grace period, for `krustlet.dev/on-terminate: wait`: does its work until
// it is told to end, which it is by a file; then tidies up and ends well. argv[1] is the file,
// should it be another one.
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *told = argc > 1 ? argv[1] : "/run/krustlet/terminating";
    const struct timespec pause = {.tv_nsec = 20 * 1000000};

    puts("ready");
    fflush(stdout);
    while (access(told, F_OK) != 0)
        nanosleep(&pause, NULL);
    puts("terminating");
    return 0;
}

// Proves where a secret can be found while its guest runs: takes SECRET from the environment into
// its own memory, prints "ready", then sleeps for ever holding it.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char held[256];

int main(void) {
    const char *secret = getenv("SECRET");
    if (secret == NULL)
        return 2;
    snprintf(held, sizeof held, "%s", secret);

    puts("ready");
    fflush(stdout);
    while (held[0] != '\0')
        sleep(3600);
    return 1;
}

// Proves what stdin holds: copies it to stdout, each piece as soon as it is there.
#include <unistd.h>

int main(void) {
    static char chunk[64 * 1024];

    for (ssize_t got; (got = read(STDIN_FILENO, chunk, sizeof chunk)) != 0;) {
        if (got < 0)
            return 1;
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(STDOUT_FILENO, chunk + done, (size_t)(got - done));
            if (put < 0)
                return 1;
            done += put;
        }
    }
    return 0;
}

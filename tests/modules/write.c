// Proves that mounted directories can be written, or cannot: appends the line argv[2] to argv[1].
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int failed(const char *path) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    FILE *file = fopen(argv[1], "a");
    if (file == NULL)
        return failed(argv[1]);
    fprintf(file, "%s\n", argv[2]);
    return fclose(file) == 0 ? 0 : failed(argv[1]);
}

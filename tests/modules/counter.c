// Proves restarts that share a volume: counts its runs in the file argv[1], and exits 1 in each
// but from the argv[2]-th on, which exit 0.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(const char *path) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 2;
}

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;

    int runs = 0;
    FILE *file = fopen(argv[1], "r");
    if (file != NULL) {
        if (fscanf(file, "%d", &runs) != 1)
            runs = 0;
        fclose(file);
    }
    runs++;

    file = fopen(argv[1], "w");
    if (file == NULL)
        return failed(argv[1]);
    fprintf(file, "%d\n", runs);
    if (fclose(file) != 0)
        return failed(argv[1]);

    printf("run %d\n", runs);
    return runs < atoi(argv[2]) ? 1 : 0;
}

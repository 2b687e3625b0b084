// Proves that mounted files can be read: prints each file named in argv.
#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    static char chunk[64 * 1024];

    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            return 1;
        }
        for (size_t got; (got = fread(chunk, 1, sizeof chunk, file)) > 0;)
            fwrite(chunk, 1, got, stdout);
        fclose(file);
    }
    return 0;
}

// Proves that nothing printed fast is lost: prints argv[1] lines of argv[2] characters each, to
// stderr where argv[3] says so. A line begins with its number, so that order can be checked too.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    long count = atol(argv[1]);
    size_t length = (size_t)atol(argv[2]);
    FILE *out = argc > 3 && strcmp(argv[3], "stderr") == 0 ? stderr : stdout;

    char *line = malloc(length + 1);
    for (long number = 0; number < count; number++) {
        char digits[24];
        size_t width = (size_t)snprintf(digits, sizeof digits, "%ld ", number);
        memset(line, 'x', length);
        memcpy(line, digits, width < length ? width : length);
        line[length] = '\n';
        fwrite(line, 1, length + 1, out);
    }
    free(line);
    return fclose(out) == 0 ? 0 : 1;
}

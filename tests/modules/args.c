// Proves what a guest is given: prints argv, one a line, then the environment as sorted K=V lines.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static int by_text(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        puts(argv[i]);

    size_t count = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    if (count > 0)
        qsort(environ, count, sizeof *environ, by_text);
    for (size_t i = 0; i < count; i++)
        puts(environ[i]);
    return 0;
}

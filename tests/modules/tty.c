// Proves which of its streams are terminals: prints a digit for each, then echoes a line.
#include <stdio.h>
#include <unistd.h>

int main(void) {
    char line[64];

    printf("%d%d%d\n", isatty(0), isatty(1), isatty(2));
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) != NULL)
        printf("got %s", line);
    return 0;
}

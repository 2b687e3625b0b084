// Proves that a guest may make very many files: argv[2] of them in the directory argv[1]. Prints
// how many it could make.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    long wanted = atol(argv[2]), made = 0;
    for (; made < wanted; made++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%ld", argv[1], made);
        int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (file < 0)
            break;
        close(file);
    }
    printf("%ld\n", made);
    return made == wanted ? 0 : 1;
}

// Proves what a mounted directory shows: prints the sorted names in each directory named in argv.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int is_name(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        struct dirent **entries;
        int count = scandir(argv[i], &entries, is_name, alphasort);
        if (count < 0) {
            fprintf(stderr, "%s: %s\n", argv[i], strerror(errno));
            return 1;
        }
        for (int j = 0; j < count; j++)
            puts(entries[j]->d_name);
    }
    return 0;
}

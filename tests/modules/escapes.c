// Proves that nothing outside a directory can be reached from within: tries each way to touch the
// paths in argv, raw, from the first directory; prints what went well, and ends with how many did.
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

#define BOX 3  // the first descriptor after the streams

static int succeeded;

static void tried(const char *way, const char *path, __wasi_errno_t error) {
    if (error != 0)
        return;
    printf("%s %s\n", way, path);
    succeeded++;
}

static __wasi_errno_t open_as(const char *path, __wasi_oflags_t how, __wasi_rights_t rights) {
    __wasi_fd_t file;
    __wasi_errno_t error = __wasi_path_open(BOX, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, how,
                                            rights, rights, 0, &file);
    if (error == 0)
        (void)!__wasi_fd_close(file);
    return error;
}

static void try(const char *path) {
    const __wasi_rights_t writing = __WASI_RIGHTS_FD_WRITE;
    __wasi_filestat_t status;

    tried("read", path, open_as(path, 0, __WASI_RIGHTS_FD_READ));
    tried("write", path, open_as(path, 0, writing));
    tried("create", path, open_as(path, __WASI_OFLAGS_CREAT, writing));
    tried("list", path, open_as(path, __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READDIR));
    tried("look at", path,
          __wasi_path_filestat_get(BOX, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, &status));
    tried("touch", path,
          __wasi_path_filestat_set_times(BOX, __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW, path, 0, 0,
                                         __WASI_FSTFLAGS_MTIM_NOW));
    tried("point to", path,
          __wasi_path_symlink(path, BOX, "made") == 0 ? open_as("made", 0, __WASI_RIGHTS_FD_READ)
                                                      : __WASI_ERRNO_PERM);
    tried("link", path, __wasi_path_link(BOX, 0, path, BOX, "linked"));
    tried("make into", path, __wasi_path_create_directory(BOX, path));
    tried("rename from", path, __wasi_path_rename(BOX, path, BOX, "renamed"));
    tried("rename to", path, __wasi_path_rename(BOX, "own", BOX, path));
    tried("unlink", path, __wasi_path_unlink_file(BOX, path));
    tried("remove", path, __wasi_path_remove_directory(BOX, path));
    (void)!__wasi_path_unlink_file(BOX, "made");
}

int main(int argc, char **argv) {
    for (int number = 1; number < argc; number++)
        try(argv[number]);
    return succeeded;
}

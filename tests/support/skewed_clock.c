/* Shift what a process takes for the time of day, while it runs.
 *
 * By as many nanoseconds as the eight bytes of the file say that lies beside this library, called
 * as it is, with `.offset` at the end. Time that only measures how long something takes is let
 * alone: no administrator can set that, either.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL

static int (*real_clock_gettime)(clockid_t, struct timespec *);
static const volatile int64_t *offset_ns; /* NULL: there is no such file, and no shift */

__attribute__((constructor)) static void find_offset(void) {
    Dl_info self;
    char path[4096];
    real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    if (!dladdr((void *)find_offset, &self)) return;
    snprintf(path, sizeof path, "%s.offset", self.dli_fname);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *offset_ns, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) offset_ns = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real_clock_gettime(clock, now);
    if (result || !offset_ns || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
        return result;
    int64_t shifted = now->tv_sec * SECOND_NS + now->tv_nsec + *offset_ns;
    now->tv_sec = shifted / SECOND_NS;
    now->tv_nsec = shifted % SECOND_NS;
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone; /* nobody has used it for decades */
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}

/* Fails the Nth write to the database with EIO, once: preloaded into the bot by the fault tests.
 *
 * CHAOS_IO_NTH says which write (from 1), CHAOS_IO_NAME what the file's path contains, CHAOS_IO_HIT names a file
 * that is made when it happens.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long passed;

static int due(int descriptor) {
    const char *nth = getenv("CHAOS_IO_NTH"), *name = getenv("CHAOS_IO_NAME"), *hit = getenv("CHAOS_IO_HIT");
    char link[64], path[4096];
    if (!nth || !name || !hit) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    if (!strstr(path, name)) return 0;
    if (atomic_fetch_add(&passed, 1) + 1 != atol(nth)) return 0;
    int made = open(hit, O_CREAT | O_WRONLY, 0600);
    if (made >= 0) close(made);
    errno = EIO;
    return 1;
}

#define INTERPOSE(name, type)                                                          \
    ssize_t name(int descriptor, const void *data, size_t size, type offset) {         \
        static ssize_t (*real)(int, const void *, size_t, type);                       \
        if (!real) real = (ssize_t (*)(int, const void *, size_t, type))dlsym(RTLD_NEXT, #name); \
        return due(descriptor) ? -1 : real(descriptor, data, size, offset);            \
    }

INTERPOSE(pwrite, off_t)
INTERPOSE(pwrite64, off64_t)

int fdatasync(int descriptor) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return due(descriptor) ? -1 : real(descriptor);
}

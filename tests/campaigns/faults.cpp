// Counts every change that this process makes below a folder, and at a chosen one sends the process
// a signal or lets the call fail as a full or unwritable disk does. It is preloaded, so that it
// sees the calls of Python, of compiled extensions and of libraries alike. Linux only.
//
// A change is a call that creates, truncates, writes, synchronises, renames or removes something.
// The functions here stand before those of the C library; faults_arm says from when on they count.

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

char root[PATH_MAX];
std::atomic<long> count{0};
long first = 0, last = 0;
int action = 0;
int record = -1;

template <typename Function>
Function next(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

void note(const char* what, const char* path) {
    if (record < 0) return;
    char line[PATH_MAX + 64];
    const int length = snprintf(line, sizeof line, "%s %s\n", what, path);
    static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
    if (real(record, line, static_cast<size_t>(length)) < 0) abort();
}

// Whether a change is to fail; errno says how.
bool fails(const char* what, const char* path) {
    if (root[0] == '\0' || path == nullptr) return false;
    const size_t length = strlen(root);
    if (strncmp(path, root, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return false;
    const long now = ++count;
    note(what, path);
    if (now < first || now > last) return false;
    if (action < 0) {
        kill(getpid(), -action);
        return false;
    }
    // To remove something or to cut it off needs no space.
    if (action == ENOSPC && (strcmp(what, "remove") == 0 || strcmp(what, "truncate") == 0))
        return false;
    errno = action;
    return true;
}

bool fails(const char* what, int file) {
    if (root[0] == '\0') return false;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return false;
    path[length] = '\0';
    return fails(what, path);
}

bool fails_at(const char* what, int folder, const char* path) {
    if (root[0] == '\0') return false;
    if (path[0] == '/') return fails(what, path);
    char whole[2 * PATH_MAX], base[PATH_MAX];
    if (folder == AT_FDCWD) {
        if (getcwd(base, sizeof base) == nullptr) return false;
    } else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        const ssize_t length = readlink(link, base, sizeof base - 1);
        if (length <= 0) return false;
        base[length] = '\0';
    }
    snprintf(whole, sizeof whole, "%s/%s", base, path);
    return fails(what, whole);
}

bool changes(int flags) {
    return (flags & (O_CREAT | O_TRUNC)) != 0;
}

}  // namespace

extern "C" {

// From now on the changes `from` to `to`, counted from 1, below `folder` fail with the error
// number `what`, or go on after the signal `-what`. Each is noted in the open file `log`.
void faults_arm(const char* folder, long from, long to, int what, int log) {
    snprintf(root, sizeof root, "%s", folder);
    count = 0;
    first = from;
    last = to;
    action = what;
    record = log;
}

long faults_count() {
    return count;
}

#define NSA_OPEN(NAME)                                                        \
    int NAME(const char* path, int flags, ...) {                              \
        static const auto real = next<int (*)(const char*, int, ...)>(#NAME); \
        mode_t mode = 0;                                                      \
        if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                           \
            va_list more;                                                     \
            va_start(more, flags);                                            \
            mode = va_arg(more, mode_t);                                      \
            va_end(more);                                                     \
        }                                                                     \
        if (changes(flags) && fails_at("open", AT_FDCWD, path)) return -1;    \
        return real(path, flags, mode);                                       \
    }
#define NSA_OPENAT(NAME)                                                           \
    int NAME(int folder, const char* path, int flags, ...) {                       \
        static const auto real = next<int (*)(int, const char*, int, ...)>(#NAME); \
        mode_t mode = 0;                                                           \
        if ((flags & (O_CREAT | O_TMPFILE)) != 0) {                                \
            va_list more;                                                          \
            va_start(more, flags);                                                 \
            mode = va_arg(more, mode_t);                                           \
            va_end(more);                                                          \
        }                                                                          \
        if (changes(flags) && fails_at("open", folder, path)) return -1;           \
        return real(folder, path, flags, mode);                                    \
    }
NSA_OPEN(open)
NSA_OPEN(open64)
NSA_OPENAT(openat)
NSA_OPENAT(openat64)

ssize_t write(int file, const void* data, size_t size) {
    static const auto real = next<ssize_t (*)(int, const void*, size_t)>("write");
    return fails("write", file) ? -1 : real(file, data, size);
}

ssize_t writev(int file, const iovec* parts, int number) {
    static const auto real = next<ssize_t (*)(int, const iovec*, int)>("writev");
    return fails("write", file) ? -1 : real(file, parts, number);
}

ssize_t pwrite64(int file, const void* data, size_t size, off64_t place) {
    static const auto real = next<ssize_t (*)(int, const void*, size_t, off64_t)>("pwrite64");
    return fails("write", file) ? -1 : real(file, data, size, place);
}

int ftruncate64(int file, off64_t size) {
    static const auto real = next<int (*)(int, off64_t)>("ftruncate64");
    return fails("truncate", file) ? -1 : real(file, size);
}

int ftruncate(int file, off_t size) {
    static const auto real = next<int (*)(int, off_t)>("ftruncate");
    return fails("truncate", file) ? -1 : real(file, size);
}

int fsync(int file) {
    static const auto real = next<int (*)(int)>("fsync");
    return fails("sync", file) ? -1 : real(file);
}

int rename(const char* from, const char* to) {
    static const auto real = next<int (*)(const char*, const char*)>("rename");
    return fails_at("rename", AT_FDCWD, to) ? -1 : real(from, to);
}

int renameat(int folder, const char* from, int other, const char* to) {
    static const auto real = next<int (*)(int, const char*, int, const char*)>("renameat");
    return fails_at("rename", other, to) ? -1 : real(folder, from, other, to);
}

int unlink(const char* path) {
    static const auto real = next<int (*)(const char*)>("unlink");
    return fails_at("remove", AT_FDCWD, path) ? -1 : real(path);
}

int unlinkat(int folder, const char* path, int flags) {
    static const auto real = next<int (*)(int, const char*, int)>("unlinkat");
    return fails_at("remove", folder, path) ? -1 : real(folder, path, flags);
}

int rmdir(const char* path) {
    static const auto real = next<int (*)(const char*)>("rmdir");
    return fails_at("remove", AT_FDCWD, path) ? -1 : real(path);
}

int mkdir(const char* path, mode_t mode) {
    static const auto real = next<int (*)(const char*, mode_t)>("mkdir");
    const bool changes = access(path, F_OK) != 0;  // not where it is there already
    return changes && fails_at("folder", AT_FDCWD, path) ? -1 : real(path, mode);
}

int link(const char* from, const char* to) {
    static const auto real = next<int (*)(const char*, const char*)>("link");
    return fails_at("rename", AT_FDCWD, to) ? -1 : real(from, to);
}

}  // extern "C"

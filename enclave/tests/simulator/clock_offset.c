/* Shifts CLOCK_REALTIME ahead by the number of seconds in the file CLOCK_OFFSET_FILE. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now)
{
    char digits[32] = "";
    long result = syscall(SYS_clock_gettime, clock, now);
    int file = clock == CLOCK_REALTIME ? open(getenv("CLOCK_OFFSET_FILE"), O_RDONLY) : -1;
    if (file >= 0) {
        if (read(file, digits, sizeof digits - 1) > 0)
            now->tv_sec += atol(digits);
        close(file);
    }
    return result;
}

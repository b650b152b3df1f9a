#include <errno.h>
#include <sys/timex.h>

#include "CNetlink.h"

int CNetlink_isClockSynchronised(void)
{
    struct timex state = { .modes = 0 }; /* reads only */
    int result = adjtimex(&state);

    if (result < 0)
        return -errno;
    return result != TIME_ERROR;
}

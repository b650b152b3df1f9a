#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "CNetlink.h"

/* Only segments that cannot be written: those behind a relocation would come back without it. */
static int release_object(struct dl_phdr_info *object, size_t size, void *context)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)size;
    (void)context;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &object->dlpi_phdr[i];
        uintptr_t start, end;

        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W) != 0)
            continue;
        start = (object->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        end = (object->dlpi_addr + segment->p_vaddr + segment->p_memsz) & ~(page - 1);
        if (start < end)
            madvise((void *)start, end - start, MADV_DONTNEED); /* advice: without it all stays as it is */
    }
    return 0;
}

void CNetlink_releaseProgramPages(void)
{
    dl_iterate_phdr(release_object, NULL);
}

int CNetlink_disableHugePages(void)
{
    return prctl(PR_SET_THP_DISABLE, 1UL, 0UL, 0UL, 0UL) == 0 ? 0 : -errno;
}

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "device.h"
#include "probes.h"

int main(void)
{
    static const uint8_t memory[] = "a machine in a machine";
    const Device device = { .id = 7, .size = sizeof(memory) - 1, .memory = memory };
    uint32_t checksum = device_checksum(&device);

    DEVICE_RESET((int)device.id, checksum);
    printf("device %" PRIu32 ": checksum %08" PRIx32 "\n", device.id, checksum);

    /* What the compilers were started with is not what this program gets. */
    if (getenv("LD_LIBRARY_PATH") || getenv("LD_PRELOAD")) {
        fprintf(stderr, "the environment has libraries of somebody else\n");
        return 1;
    }
    return 0;
}

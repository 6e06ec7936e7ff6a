#ifndef DEVICE_H
#define DEVICE_H

#include <stddef.h>
#include <stdint.h>

typedef struct Device {
    uint32_t id;
    size_t size;
    const uint8_t *memory;
} Device;

/* In lib.rs. */
uint32_t device_checksum(const Device *device);

#endif

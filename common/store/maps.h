/* maps.h: where this process has a file mapped. LMDB does not say where its map is; the system does. */
#ifndef PM_STORE_MAPS_H
#define PM_STORE_MAPS_H

#include <stdint.h>
#include <sys/types.h>

/* One call a map of the file, [begin, end). Only calls that a signal handler may make. */
void pm_maps_each(dev_t dev, ino_t ino, void (*each)(void *arg, uintptr_t begin, uintptr_t end), void *arg);

#endif

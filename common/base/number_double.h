/* number_double.h: the two conversions that C cannot do without loss, by the C++ library's <charconv>; number.c puts
 * them to use. No locale, no allocation, no exceptions: any thread. */
#ifndef PM_BASE_NUMBER_DOUBLE_H
#define PM_BASE_NUMBER_DOUBLE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The shortest digits that read back to the same finite double, as "[-]d[.ddd]e(+|-)dd[d]"; the nearest of the
 * shortest. Returns the length (at most 24). */
size_t pm_double_shortest(double value, char out[32]);

/* The nearest double to the text of a JSON number; false when it rounds beyond the largest double. Too small to be told
 * from zero is 0.0 or -0.0. The text must have the form of a JSON number. */
bool pm_double_nearest(const char *text, size_t len, double *ret);

#ifdef __cplusplus
}
#endif

#endif

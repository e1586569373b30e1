/* number_double.cc: std::to_chars and std::from_chars under C names (number_double.h). The only C++ in the program: C
 * has no shortest round-trip printing, and strtod follows the locale. */
#include "common/base/number_double.h"

#include <charconv>
#include <cmath>
#include <system_error>

size_t pm_double_shortest(double value, char out[32])
{
    return static_cast<size_t>(std::to_chars(out, out + 32, value, std::chars_format::scientific).ptr - out);
}

/* Is the first digit that counts left of the point, once the exponent has moved it? Tells 1e999 from 1e-999, which
 * from_chars reports alike. */
static bool is_large(const char *text, const char *end)
{
    if (*text == '-') text++;
    long position = 0, seen = 0; /* decimal position of the first digit other than 0 */
    bool after_point = false;
    for (; text < end && *text != 'e' && *text != 'E'; text++) {
        if (*text == '.') {
            after_point = true;
        } else if (seen || *text != '0') {
            seen = 1;
            if (after_point) break;
            position++;
        } else if (after_point) {
            position--;
        }
    }
    while (text < end && *text != 'e' && *text != 'E') text++;
    if (text == end) return position > 0;
    text++;
    if (*text == '+') text++;
    long exponent = 0;
    if (std::from_chars(text, end, exponent).ec != std::errc())
        return *text != '-'; /* past the range of long: its sign decides */
    return exponent > -position;
}

bool pm_double_nearest(const char *text, size_t len, double *ret)
{
    double value = 0;
    auto result = std::from_chars(text, text + len, value);
    if (result.ec == std::errc::result_out_of_range) {
        if (is_large(text, text + len)) return false;
        value = *text == '-' ? -0.0 : 0.0;
    } else if (result.ec != std::errc() || std::isinf(value)) {
        return false;
    }
    *ret = value;
    return true;
}

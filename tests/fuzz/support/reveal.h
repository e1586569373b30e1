/* reveal.h: what must hold of a path that a template matched. */
#ifndef PM_FUZZ_REVEAL_H
#define PM_FUZZ_REVEAL_H

#include "provstore/template.h"

/* Whatever was revealed, put in again, gives the path: checked where no part is a hash of a value that is not there. */
void fuzz_check_revealed(const struct pm_template *const *templates, size_t n_templates, const struct pm_names *names,
                         bool loose, struct pm_slice path, const struct pm_revealed *revealed);

#endif

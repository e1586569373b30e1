/* version.h: what `provmat --version` and the man pages say. */
#ifndef PM_CLI_VERSION_H
#define PM_CLI_VERSION_H

#ifdef PROVMAT_VERSION /* from the Makefile */
#define PM_VERSION PROVMAT_VERSION
#else
#define PM_VERSION "0.1.0"
#endif
#define PM_RELEASE_DATE "November 21, 2026" /* of the man pages */

#endif

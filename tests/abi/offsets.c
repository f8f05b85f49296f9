/*
 * Holds a plugin header against a table of offsets: it compiles when nothing
 * has moved. Only ever compiled, for 32 bits too, so no library is needed.
 *
 *	cc -DQF_HEADER='"plugin.h"' -DQF_TABLE='"offsets-1.0.h"' [-DQF_LATER]
 *
 * QF_LATER: the header is of a later version than the table, so that structs
 * may have grown.
 */
#include QF_HEADER

#if __SIZEOF_POINTER__ == 8
#define PICK(wide, narrow) (wide)
#else
#define PICK(wide, narrow) (narrow)
#endif

#ifdef QF_LATER
#define SIZE_FITS(s, n) (sizeof(struct s) >= (n))
#else
#define SIZE_FITS(s, n) (sizeof(struct s) == (n))
#endif

#define QF_OFFSET(s, m, wide, narrow)                                          \
	_Static_assert(offsetof(struct s, m) == PICK(wide, narrow),            \
	    "struct " #s ": " #m " has moved");
#define QF_SIZE(s, wide, narrow)                                               \
	_Static_assert(SIZE_FITS(s, PICK(wide, narrow)),                       \
	    "struct " #s " has another size");

#include QF_TABLE

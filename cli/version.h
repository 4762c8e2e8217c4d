#pragma once
/* Which Heliograph this is. */

const char *version_text(void);  /* "0.1.0" */
const char *version_build(void); /* the commit it was built from, or "unknown" */

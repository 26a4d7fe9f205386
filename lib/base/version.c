#include "dkvb/version.h"

const char *dkvb_version_string(void)
{
    return DKVB_VERSION_STRING;
}

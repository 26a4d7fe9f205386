#include "dkvb/version.h"

uint32_t dkvb_version_number(void)
{
    return DKVB_VERSION_NUMBER;
}

const char *dkvb_version_string(void)
{
    return DKVB_VERSION_STRING;
}

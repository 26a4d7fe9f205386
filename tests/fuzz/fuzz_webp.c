/* WebP files. A picture that comes out is fitted, too. */
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use_picture(data, size);
    return 0;
}

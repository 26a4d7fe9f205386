/* Fuzz target for WebP files. A picture that is read is also resized and cropped. */
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    use_picture(data, size);
    return 0;
}

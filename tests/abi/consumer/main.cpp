// A minimal C++ program that uses the C library: linkage, INIT macros, and an owner that frees an object.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

#include <dkvb/dkvb.h>

int main()
{
    const std::vector<float> x = {1, 0, 0, 1};
    std::vector<std::uint16_t> codes(2 * 4);
    dkvb_keyinit_options opts = DKVB_KEYINIT_OPTIONS_INIT;
    dkvb_codebooks *raw = nullptr;

    opts.codebooks = 4;
    opts.keys = 2;
    opts.key_dim = 2;
    opts.method = DKVB_KEYINIT_SAMPLE;
    dkvb_status rc = dkvb_codebooks_fit(&raw, x.data(), 2, 2, &opts, nullptr);
    const std::unique_ptr<dkvb_codebooks, void (*)(dkvb_codebooks *)> codebooks(raw, dkvb_codebooks_free);

    if (rc == DKVB_OK)
        rc = dkvb_search(codebooks.get(), nullptr, x.data(), 2, 1, codes.data(), nullptr, nullptr);
    if (rc != DKVB_OK) {
        std::fprintf(stderr, "%s\n", dkvb_last_error());
        return 1;
    }
    return codes[0] != codes[4] ? 0 : 1; // of two rows and two keys, each row selects another key
}

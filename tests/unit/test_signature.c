/* Tests of recognising files of other programs by their first bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/signature.h"

static void assert_kind(const void *start, size_t size, const char *kind)
{
    const char *found = dkvb__signature_kind(start, size);

    if (!kind ? found != NULL : !found || strcmp(found, kind) != 0)
        fail_msg("\"%s\" instead of \"%s\"", found ? found : "nothing", kind ? kind : "nothing");
}

#define assert_text_kind(text, kind) assert_kind(text, sizeof(text) - 1, kind)

static void text_is_told_by_what_it_begins_with(void **state)
{
    (void)state;
    assert_text_kind("1,2,3\n", "text, perhaps CSV");
    assert_text_kind("\xEF\xBB\xBFname;age\r\n", "text, perhaps CSV");
    assert_text_kind("  <!DocType HTML><p>", "a web page (HTML), such as a failed download leaves");
    assert_text_kind("<HTML>", "a web page (HTML), such as a failed download leaves");
    assert_text_kind("<?xml version='1.0'?><svg>", "an SVG drawing");
    assert_text_kind("<?xml version='1.0'?><Error>", "XML text, such as a failed download may leave");
    assert_text_kind("{\"a\": 1}", "JSON text");
    assert_text_kind("[1, 2]", "JSON text");
    assert_text_kind("{\"weight_map\": {}}", "the index of a checkpoint that is split into shards");
    assert_text_kind("BM is how this text begins", "text, perhaps CSV");
    assert_text_kind("\xFF\xFE"
                     "1\0,\0",
                     "text in UTF-16");
    assert_text_kind("L\xF6we,1\n", "text, perhaps CSV");
}

static void archives_are_told_by_their_first_member(void **state)
{
    unsigned char zip[64] = "PK\3\4";

    (void)state;
    assert_kind(zip, 30, "a zip archive");
    assert_kind("PK\5\6", 4, "a zip archive");
    zip[26] = 5;
    memcpy(zip + 30, "x.npy", 5);
    assert_kind(zip, 35, "a NumPy archive (.npz)");
    assert_kind(zip, 34, "a zip archive"); /* a zip archive that is cut short within a name */
    memcpy(zip + 30, "a.txt", 5);
    assert_kind(zip, 35, "a zip archive");
    zip[26] = 14;
    memcpy(zip + 30, "model/data.pkl", 14);
    assert_kind(zip, 44, "a PyTorch file");
    zip[26] = zip[27] = 0xFF;
    assert_kind(zip, 64, "a PyTorch file");
}

static void signatures_far_into_the_file_are_found_only_if_it_is_as_long(void **state)
{
    unsigned char tar[DKVB__SIGNATURE_SIZE] = "x.npy";

    (void)state;
    memcpy(tar + 257, "ustar", 5);
    assert_kind(tar, sizeof tar, "a tar archive");
    assert_kind(tar, 262, "a tar archive");
    assert_kind(tar, 261, NULL);
}

static void what_no_signature_fits_is_no_kind(void **state)
{
    (void)state;
    assert_kind("", 0, NULL);
    assert_kind("\x01\x02\x03\x04", 4, NULL);
    assert_kind("\0\0\0\0\0\0\0\0", 8, NULL);
    assert_kind("\0\0\x08\x01", 4, "an IDX file");
}

/* Tries the beginning of every kind of file at every length; sanitizers would report a read beyond the bytes. */
static void no_start_makes_it_read_beyond_the_end(void **state)
{
    static const char starts[][5] = {"PK\3\4", "<", "{", "BM", "P6\n", "\x80\4", "\xFF\xFE", "MM\0", "ftyp"};

    (void)state;
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
        for (size_t size = 0; size <= 300; size++) {
            unsigned char *bytes = calloc(size + 1, 1), *exact = malloc(size ? size : 1);

            assert_non_null(bytes);
            assert_non_null(exact);
            memset(bytes, 0xFF, size);
            memcpy(bytes, starts[s], size < 4 ? size : 4);
            memcpy(exact, bytes, size);
            (void)dkvb__signature_kind(exact, size);
            free(bytes);
            free(exact);
        }
}

static void the_way_on_is_that_of_the_use(void **state)
{
    static const unsigned char torch[] = "\x80\2\x8A\nl\xFC\x9C", webp[] = "RIFF\0\0\0\0WEBP", html[] = "<html>";

    (void)state;
    assert_int_equal(dkvb__fail_foreign("f", torch, 7, 7, DKVB__USE_ARRAY), DKVB_EFORMAT);
    assert_string_equal(
        dkvb_last_error(),
        "f: is a PyTorch file of the old kind; a NumPy (.npy) or IDX file must be given: "
        "numpy.save('x.npy', torch.load(path, map_location='cpu').detach().float().numpy()) makes .npy of a tensor");
    (void)dkvb__fail_foreign("f", torch, 7, 7, DKVB__USE_WEIGHTS);
    assert_non_null(strstr(dkvb_last_error(), "a .safetensors file must be given: safetensors.torch.save_file"));
    (void)dkvb__fail_foreign("f", webp, 12, 12, DKVB__USE_WEIGHTS);
    assert_string_equal(dkvb_last_error(), "f: is a WebP picture; a .safetensors file must be given");
    (void)dkvb__fail_foreign("f", webp, 12, 12, DKVB__USE_OWN);
    assert_string_equal(dkvb_last_error(), "f: is a WebP picture; a file that this library wrote must be given");
    (void)dkvb__fail_foreign("f", html, 6, 6, DKVB__USE_OWN);
    assert_non_null(strstr(dkvb_last_error(), "must be given: download it again"));
    (void)dkvb__fail_foreign("f", html, 0, 0, DKVB__USE_PICTURE);
    assert_string_equal(dkvb_last_error(), "f: is empty; a PNG, JPEG or WebP file must be given");
    (void)dkvb__fail_foreign("f", (const unsigned char *)"\1\2\3\4\5", 5, 9, DKVB__USE_PICTURES);
    assert_non_null(strstr(dkvb_last_error(), "f: begins with the bytes 01 02 03 04; a folder or a PNG"));
}

/* Even with the longest path, the whole error message is stored. */
static void a_long_path_cuts_off_no_way_on(void **state)
{
    char path[400];

    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    (void)dkvb__fail_foreign(path, (const unsigned char *)"1,2\n", 4, 4, DKVB__USE_ARRAY);
    assert_non_null(strstr(dkvb_last_error(), "reads tables of text"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_told_by_what_it_begins_with),
        cmocka_unit_test(archives_are_told_by_their_first_member),
        cmocka_unit_test(signatures_far_into_the_file_are_found_only_if_it_is_as_long),
        cmocka_unit_test(what_no_signature_fits_is_no_kind),
        cmocka_unit_test(no_start_makes_it_read_beyond_the_end),
        cmocka_unit_test(the_way_on_is_that_of_the_use),
        cmocka_unit_test(a_long_path_cuts_off_no_way_on),
    };

    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}

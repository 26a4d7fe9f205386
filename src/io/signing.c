#include "io/signing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>

#include "tool.h"

#ifdef DKVB_HAVE_OPENSSL
#include <openssl/evp.h>
#include <openssl/pem.h>

enum { SIGNATURE_SIZE = 64 };

static int sign(const uint8_t *message, size_t size, uint8_t *signature, void *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t length = SIGNATURE_SIZE;
    int done = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
               EVP_DigestSign(context, signature, &length, message, size) == 1;

    EVP_MD_CTX_free(context);
    return !done;
}

static int check(const uint8_t *message, size_t size, const uint8_t *signature, void *key)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int right = context && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(context, signature, SIGNATURE_SIZE, message, size) == 1;

    EVP_MD_CTX_free(context);
    return !right;
}

int signing_read(struct signing_key *key, const char *path, bool to_sign, dkvb_receipt_options *o)
{
    FILE *file = fopen(path, "rb");
    EVP_PKEY *read = NULL;
    size_t size = sizeof key->public_key;

    if (!file)
        return tool_fail("%s: the key cannot be opened: %s", path, strerror(errno));
    read = to_sign ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : PEM_read_PUBKEY(file, NULL, NULL, NULL);
    fclose(file);
    if (!read)
        return tool_fail(
            "%s: this is not a %s key in PEM, as 'openssl genpkey -algorithm ed25519' and 'openssl pkey -pubout' "
            "write it",
            path, to_sign ? "private" : "public");
    if (EVP_PKEY_id(read) != EVP_PKEY_ED25519 || EVP_PKEY_get_raw_public_key(read, key->public_key, &size) != 1) {
        EVP_PKEY_free(read);
        return tool_fail("%s: the key is of another algorithm: receipts are signed by Ed25519", path);
    }
    key->key = o->key = read;
    o->public_key = key->public_key;
    o->sign = to_sign ? sign : NULL;
    o->check = to_sign ? NULL : check;
    return EXIT_SUCCESS;
}

void signing_free(struct signing_key *key)
{
    EVP_PKEY_free(key->key);
}
#else
int signing_read(struct signing_key *key, const char *path, bool to_sign, dkvb_receipt_options *o)
{
    (void)key;
    (void)to_sign;
    (void)o;
    return tool_fail(
        "%s: this dkvb was built without OpenSSL, so it neither makes nor checks signatures: build it with "
        "libssl-dev and -DDKVB_OPENSSL=ON",
        path);
}

void signing_free(struct signing_key *key)
{
    (void)key;
}
#endif

/* Reads keys for receipts: Ed25519 through OpenSSL. A tool that was built without OpenSSL refuses every key. */
#ifndef DKVB_TOOL_SIGNING_H
#define DKVB_TOOL_SIGNING_H

#include <stdbool.h>

#include <dkvb/dkvb.h>

/* A signing key that was read from a PEM file. */
struct signing_key {
    void *key; /* the signing key as OpenSSL's EVP_PKEY */
    uint8_t public_key[32];
};

/* Reads a private key (to sign a receipt) or a public key (to check one), and puts the key into the options of the
 * receipt. The result of reading a key is 0, or an exit code after an error message. Without OpenSSL, signing_read()
 * always fails. The signing key must stay valid as long as the receipt's options are used. */
int signing_read(struct signing_key *key, const char *path, bool to_sign, dkvb_receipt_options *o);
void signing_free(struct signing_key *key);

#endif

#include "receipt/envelope.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/sha256.h"
#include "base/status.h"

#define PAYLOAD_TYPE "application/vnd.in-toto+json"

enum { SIGNATURE_SIZE = 64, KEY_SIZE = 32, BYTES_FLAGS = JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(15) };

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

dkvb_status dkvb__json_bytes(char **out, size_t *size, const json_t *value, const dkvb_allocator *mem)
{
    size_t length = json_dumpb(value, NULL, 0, BYTES_FLAGS);

    *out = length ? dkvb__alloc(mem, length + 1, 1) : NULL;
    if (!*out || json_dumpb(value, *out, length, BYTES_FLAGS) != length) {
        dkvb__free(mem, *out);
        *out = NULL;
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a receipt");
    }
    (*out)[length] = '\n';
    *size = length + 1;
    return DKVB_OK;
}

/* Encodes bytes in base64 (RFC 4648) with padding, as a string in new memory; NULL if memory ran out. */
static char *encode(const uint8_t *bytes, size_t size, const dkvb_allocator *mem)
{
    char *text = dkvb__alloc(mem, size / 3 * 4 + 5, 1), *to = text;

    for (size_t i = 0; text && i < size; i += 3) {
        size_t left = size - i;
        uint32_t word =
            (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0u);

        *to++ = digits[word >> 18];
        *to++ = digits[word >> 12 & 63];
        *to++ = left > 1 ? digits[word >> 6 & 63] : '=';
        *to++ = left > 2 ? digits[word & 63] : '=';
    }
    if (text)
        *to = '\0';
    return text;
}

/* Decodes a text in base64 into new memory; DKVB_EFORMAT, with `complaint`, if the text is not base64. Unused bits at
 * the end of the base64 text must be zero, so that only one text stands for the decoded bytes. */
static dkvb_status decode(uint8_t **out, size_t *size, const char *text, const char *path, const char *complaint,
                          const dkvb_allocator *mem)
{
    size_t length = strlen(text), padding;
    uint8_t *bytes, *to;
    char *again;
    bool equal;

    *out = NULL;
    if (length == 0 || length % 4 != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: %s", path, complaint);
    bytes = to = dkvb__alloc(mem, length / 4 * 3 + 1, 1);
    if (!bytes)
        return dkvb__fail(DKVB_ENOMEM, "out of memory for a signed receipt");
    padding = text[length - 1] != '=' ? 0 : text[length - 2] != '=' ? 1 : 2;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t word = 0;

        for (size_t j = 0; j < 4; j++) {
            const char *at = text[i + j] == '=' ? digits : strchr(digits, text[i + j]);

            word = word << 6 | (at ? (uint32_t)(at - digits) : 0u);
        }
        *to++ = (uint8_t)(word >> 16);
        *to++ = (uint8_t)(word >> 8);
        *to++ = (uint8_t)word;
    }
    *size = (size_t)(to - bytes) - padding;
    again = encode(bytes, *size, mem);
    equal = again && strcmp(again, text) == 0;
    if (equal)
        *out = bytes;
    else
        dkvb__free(mem, bytes);
    dkvb__free(mem, again);
    return equal   ? DKVB_OK
           : again ? dkvb__fail(DKVB_EFORMAT, "%.300s: %s", path, complaint)
                   : dkvb__fail(DKVB_ENOMEM, "out of memory for a signed receipt");
}

/* Makes the message that DSSE signs: the pre-authentication encoding of the payload type and the statement. */
static uint8_t *encode_for_signing(const char *statement, size_t size, size_t *length, const dkvb_allocator *mem)
{
    char head[96];
    int n = snprintf(head, sizeof head, "DSSEv1 %zu %s %zu ", strlen(PAYLOAD_TYPE), PAYLOAD_TYPE, size);
    uint8_t *message = dkvb__alloc(mem, (size_t)n + size, 1);

    if (!message)
        return NULL;
    memcpy(message, head, (size_t)n);
    memcpy(message + n, statement, size);
    *length = (size_t)n + size;
    return message;
}

/* Computes the id of a public key: SHA-256 of the key's 32 bytes, in hexadecimal. */
static void key_id(char text[65], const uint8_t *key)
{
    const struct dkvb__piece piece = {key, KEY_SIZE};
    uint8_t hash[32];

    dkvb__sha256(hash, &piece, 1);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

dkvb_status dkvb__envelope_seal(json_t **out, const char *statement, size_t size, const dkvb_receipt_options *o,
                                const dkvb_allocator *mem)
{
    uint8_t signature[SIGNATURE_SIZE], *message = NULL;
    char id[65], *payload = NULL, *sig = NULL;
    size_t length;
    dkvb_status rc = DKVB_OK;

    *out = NULL;
    message = encode_for_signing(statement, size, &length, mem);
    if (message && o->sign(message, length, signature, o->key) != 0) {
        rc = dkvb__fail(DKVB_EINVAL, "the key did not sign the receipt");
    } else if (message) {
        key_id(id, o->public_key);
        payload = encode((const uint8_t *)statement, size, mem);
        sig = encode(signature, sizeof signature, mem);
        if (payload && sig)
            *out = json_pack("{s:s, s:s, s:[{s:s, s:s}]}", "payload", payload, "payloadType", PAYLOAD_TYPE,
                             "signatures", "keyid", id, "sig", sig);
    }
    if (!rc && !*out)
        rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a signed receipt");
    dkvb__free(mem, message);
    dkvb__free(mem, payload);
    dkvb__free(mem, sig);
    return rc;
}

dkvb_status dkvb__envelope_open(char **statement, size_t *size, const json_t *envelope, const char *path,
                                const dkvb_receipt_options *o, const dkvb_allocator *mem, uint32_t *outcome,
                                const char **sentence)
{
    static const char wrong_signature[] = "the signature must be 64 bytes of Ed25519 in base64";
    const char *payload, *type, *keyid, *sig;
    uint8_t *signature = NULL, *message = NULL;
    size_t signature_size = 0, length;
    char id[65];
    dkvb_status rc = DKVB_OK;

    *statement = NULL;
    if (json_unpack((json_t *)envelope, "{s:s, s:s, s:[{s:s, s:s !}!] !}", "payload", &payload, "payloadType", &type,
                    "signatures", "keyid", &keyid, "sig", &sig) != 0)
        return dkvb__fail(
            DKVB_EFORMAT,
            "%.300s: a signed receipt must have payload, payloadType and one signature with keyid and sig", path);
    if (strcmp(type, PAYLOAD_TYPE) != 0)
        return dkvb__fail(DKVB_EFORMAT, "%.300s: payloadType is %s, it must be %s", path, dkvb__show(type).text,
                          PAYLOAD_TYPE);
    rc = decode((uint8_t **)statement, size, payload, path, "payload must be base64 with padding", mem);
    if (!rc)
        rc = decode(&signature, &signature_size, sig, path, wrong_signature, mem);
    if (!rc && signature_size != SIGNATURE_SIZE)
        rc = dkvb__fail(DKVB_EFORMAT, "%.300s: %s", path, wrong_signature);
    *outcome = DKVB_RECEIPT_UNCHECKED;
    *sentence = "the signature was not checked: no public key was given";
    if (!rc && o->public_key) {
        message = encode_for_signing(*statement, *size, &length, mem);
        key_id(id, o->public_key);
        *outcome = DKVB_RECEIPT_DIFFERS;
        if (!message)
            rc = dkvb__fail(DKVB_ENOMEM, "out of memory for a signed receipt");
        else if (strcmp(keyid, id) != 0)
            *sentence = "the signature is of another key than the one given";
        else if (o->check(message, length, signature, o->key) != 0)
            *sentence = "the signature is not of these bytes by this key: the statement or the signature was changed";
        else
            *outcome = DKVB_RECEIPT_CHECKED, *sentence = "the signature is of these bytes by this key";
    }
    dkvb__free(mem, signature);
    dkvb__free(mem, message);
    if (rc) {
        dkvb__free(mem, *statement);
        *statement = NULL;
    }
    return rc;
}

/* Makes a model forget a person: masks all (codebook, key) pairs that the pictures in a folder of this person select.
 *
 * Usage: forget_folder MODEL descriptor|WEIGHTS.safetensors FOLDER OUT [REASON]
 *
 * The encoder must be the one that made the model's training rows. The program prints the model's answer to each
 * picture before and after the forgetting, and saves the new model as OUT. The file MODEL and the pictures are not
 * changed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dkvb/dkvb.h>

/* The readable pictures of a folder, with their encoded rows. */
struct pictures {
    dkvb_imageset *set;
    size_t n;
    float *x;       /* features of the readable pictures, [n][columns] */
    uint64_t *rows; /* numbers of the readable pictures in the set, [n] */
};

static void must(dkvb_status rc)
{
    if (rc == DKVB_OK)
        return;
    fprintf(stderr, "%s: %s\n", dkvb_name(DKVB_NAME_STATUS, rc), dkvb_last_error());
    exit(1);
}

static void *array(size_t n, size_t size)
{
    void *data = calloc(n, size);

    if (data)
        return data;
    fprintf(stderr, "out of memory\n");
    exit(1);
}

/* Opens the encoder of pictures. If the model remembers another encoder, or takes rows of another width, the program
 * ends with a message that says what differs. */
static dkvb_encoder *open_encoder(const char *name, const dkvb_model *model, const char *path)
{
    dkvb_encoder_options opts = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    int weights = strcmp(name, "descriptor") != 0;
    dkvb_encoder *encoder;

    must(dkvb_model_get_info(model, &info));
    opts.weights = weights ? name : NULL;
    opts.remembered = info.encoder;
    opts.remembered_by = path;
    opts.dim = info.input_dim;
    must(dkvb_encoder_open(&encoder, weights ? DKVB_ENCODER_CLIP : DKVB_ENCODER_DESCRIPTOR, &opts));
    return encoder;
}

static int leave_out(void *user, uint64_t index, const char *message)
{
    (void)user;
    (void)index;
    fprintf(stderr, "left out: %s\n", message);
    return 0;
}

/* Encodes the pictures of a folder into rows. Unreadable pictures are reported on stderr, and get no row. */
static struct pictures encode(const dkvb_encoder *encoder, const char *folder, uint32_t columns)
{
    dkvb_encode_options opts = DKVB_ENCODE_OPTIONS_INIT;
    dkvb_imageset_info set_info = {.struct_size = sizeof set_info};
    struct pictures p = {0};
    uint8_t *readable;
    size_t total;

    must(dkvb_imageset_open(&p.set, folder, NULL));
    must(dkvb_imageset_get_info(p.set, &set_info));
    total = (size_t)set_info.pictures;
    p.x = array(total * columns, sizeof *p.x);
    p.rows = array(total, sizeof *p.rows);
    readable = array(total, 1);
    opts.skip_unreadable = 1;
    opts.readable = readable;
    opts.unreadable = leave_out;
    must(dkvb_encoder_encode_set(encoder, p.set, 0, total, p.x, &opts, NULL));
    for (size_t i = 0; i < total; i++)
        if (readable[i]) {
            memmove(p.x + p.n * columns, p.x + i * columns, columns * sizeof *p.x);
            p.rows[p.n++] = i;
        }
    free(readable);
    return p;
}

/* Masks every (codebook, key) pair that any picture of the folder selects, and adds a journal entry. The journal entry
 * stores a salted hash of the pictures' numbers in the folder, not their names. */
static void forget(dkvb_model *model, const struct pictures *p, const dkvb_model_info *info, const char *reason)
{
    uint16_t *codes = array(p->n * info->codebooks * info->top_k, sizeof *codes);
    dkvb_codebooks *codebooks = dkvb_model_codebooks(model);
    dkvb_forget_options opts = DKVB_FORGET_OPTIONS_INIT;
    dkvb_mask_info chosen = DKVB_MASK_INFO_INIT;
    dkvb_request request = DKVB_REQUEST_INIT;
    dkvb_mask *in_force, *mask;

    must(dkvb_journal_get_mask(model, 0, &in_force));
    must(dkvb_search(codebooks, in_force, p->x, p->n, info->top_k, codes, NULL, NULL));
    must(dkvb_mask_new(&mask, codebooks));
    request.method = DKVB_METHOD_EVERY;
    request.k = info->top_k;
    request.codes = codes;
    request.n = p->n;
    must(dkvb_unlearn_choose(mask, model, &request, 0, NULL)); /* the method `every` ignores the budget of 0 pairs */
    must(dkvb_mask_get_info(mask, &chosen));
    opts.method = "every";
    opts.reason = reason;
    opts.strength = DKVB_STRENGTH_SUPPRESS;
    opts.rows = p->rows;
    opts.row_count = p->n;
    must(dkvb_model_forget(model, mask, &opts, NULL));
    printf("%llu of %llu pairs are masked\n", (unsigned long long)chosen.pairs, (unsigned long long)chosen.pairs_total);
    dkvb_mask_free(mask);
    dkvb_mask_free(in_force);
    free(codes);
}

static const char *name_of(const dkvb_model *model, int32_t label, char text[32])
{
    const char *name = label < 0 ? "no answer" : dkvb_model_class_name(model, (uint32_t)label);

    snprintf(text, 32, "class %d", label);
    return name ? name : text;
}

static void report(const dkvb_model *model, const struct pictures *p, const int32_t *before, const int32_t *after)
{
    dkvb_picture picture = DKVB_PICTURE_INIT;
    char texts[2][32];
    size_t others = 0;

    for (size_t i = 0; i < p->n; i++) {
        must(dkvb_imageset_get(p->set, p->rows[i], &picture));
        printf("%s: %s, now %s\n", picture.name, name_of(model, before[i], texts[0]),
               name_of(model, after[i], texts[1]));
        others += before[i] != after[i];
    }
    printf("%zu of %zu pictures get another answer\n", others, p->n);
}

int main(int argc, char **argv)
{
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    struct pictures pictures;
    int32_t *before, *after;
    dkvb_encoder *encoder;
    dkvb_model *model;

    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: forget_folder MODEL descriptor|WEIGHTS.safetensors FOLDER OUT [REASON]\n");
        return 2;
    }
    must(dkvb_model_load(&model, argv[1], NULL));
    must(dkvb_model_get_info(model, &info));
    encoder = open_encoder(argv[2], model, argv[1]);
    pictures = encode(encoder, argv[3], info.input_dim);
    if (pictures.n == 0) {
        fprintf(stderr, "%s: no picture that can be read\n", argv[3]);
        return 1;
    }
    before = array(pictures.n, sizeof *before);
    after = array(pictures.n, sizeof *after);
    must(dkvb_model_predict(model, pictures.x, pictures.n, before, NULL, NULL));
    forget(model, &pictures, &info, argc > 5 ? argv[5] : NULL);
    must(dkvb_model_predict(model, pictures.x, pictures.n, after, NULL, NULL));
    report(model, &pictures, before, after);
    must(dkvb_model_save(model, argv[4]));
    puts("What they selected is suppressed: dkvb_model_undo() brings it back, dkvb_model_purge() erases those pairs. "
         "Neither\ndeletes what the pictures taught the rest of the model: that takes training again without them.");

    free(before);
    free(after);
    free(pictures.x);
    free(pictures.rows);
    dkvb_imageset_free(pictures.set);
    dkvb_encoder_free(encoder);
    dkvb_model_free(model);
    return 0;
}

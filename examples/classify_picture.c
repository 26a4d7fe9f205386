/* Classifies pictures: a frozen encoder makes a row of features of each picture, and a model classifies the rows.
 *
 * Usage: classify_picture MODEL descriptor|WEIGHTS.safetensors PICTURE...
 *
 * The encoder must be the one that made the model's training rows: the descriptor, which needs no weights, or CLIP with
 * the weights in a file. If the model file names its encoder, any other encoder is refused. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dkvb/dkvb.h>

enum { LIKELIEST = 3 };

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

/* Encodes pictures into rows of features, float[n][dim], which the caller frees. */
static float *encode(const dkvb_encoder *encoder, char **paths, size_t n, uint32_t columns)
{
    dkvb_image *images = array(n, sizeof *images);
    float *x;

    for (size_t i = 0; i < n; i++) {
        images[i] = (dkvb_image)DKVB_IMAGE_INIT;
        must(dkvb_image_read(&images[i], paths[i], NULL, 0, NULL));
    }
    x = array(n * columns, sizeof *x);
    must(dkvb_encoder_encode(encoder, images, n, x, NULL, NULL));
    for (size_t i = 0; i < n; i++)
        dkvb_image_free(&images[i]);
    free(images);
    return x;
}

static void print_class(const dkvb_model *model, int32_t label, float likely, const char *before)
{
    const char *name = dkvb_model_class_name(model, (uint32_t)label);

    if (name)
        printf("%s %s %.3f", before, name, (double)likely);
    else
        printf("%s class %d %.3f", before, label, (double)likely);
}

/* Prints one line for each picture: its most probable classes, with their probabilities. */
static void answer(const dkvb_model *model, const float *x, char **paths, size_t n, uint32_t classes)
{
    uint32_t top = classes < LIKELIEST ? classes : LIKELIEST;
    float *logits = array(n * classes, sizeof *logits), likely[LIKELIEST];
    int32_t *labels = array(n, sizeof *labels), best[LIKELIEST];

    must(dkvb_model_predict(model, x, n, labels, logits, NULL));
    must(dkvb_decode_softmax(logits, n, classes, 1.0, 0.0, logits));
    for (size_t i = 0; i < n; i++) {
        printf("%s:", paths[i]);
        must(dkvb_decode_top(logits + i * classes, 1, classes, top, best, likely));
        for (uint32_t t = 0; labels[i] >= 0 && t < top; t++)
            print_class(model, best[t], likely[t], t ? "," : "");
        printf(labels[i] >= 0 ? "\n" : " no answer: all that this picture selects is forgotten\n");
    }
    free(labels);
    free(logits);
}

int main(int argc, char **argv)
{
    dkvb_model_options opts = DKVB_MODEL_OPTIONS_INIT;
    dkvb_model_info info = DKVB_MODEL_INFO_INIT;
    dkvb_encoder *encoder;
    dkvb_model *model;
    float *x;

    if (argc < 4) {
        fprintf(stderr, "usage: classify_picture MODEL descriptor|WEIGHTS.safetensors PICTURE...\n");
        return 2;
    }
    opts.in_place = 1; /* opens the file in place: the program only reads the model */
    must(dkvb_model_load(&model, argv[1], &opts));
    must(dkvb_model_get_info(model, &info));
    encoder = open_encoder(argv[2], model, argv[1]);
    x = encode(encoder, argv + 3, (size_t)argc - 3, info.input_dim);
    answer(model, x, argv + 3, (size_t)argc - 3, info.classes);
    free(x);
    dkvb_encoder_free(encoder);
    dkvb_model_free(model);
    return 0;
}

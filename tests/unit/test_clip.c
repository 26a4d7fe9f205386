/* Tests of the encoder CLIP, a vision transformer, with made-up weights: the same network in two layouts of weights
 * files. tests/peers/encoder_reference.py compares the encoder with PyTorch. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "encoder/encoder.h"
#include "fixture.h"
#include "tensor_files.h"

/* Sizes of the test network: pictures of 12 x 12 pixels in patches of 4 x 4, tokens of width 8 in 2 heads, 2 blocks
 * whose MLP has width 20, embeddings of 6 columns. */
enum { SIDE = 12, PATCH = 4, TOKENS = 10, WIDTH = 8, BLOCKS = 2, WITHIN = 20, COLUMNS = 6, MOST = 3 * WIDTH * WIDTH };

static uint8_t pixels[2][SIDE * SIDE * 3];
static dkvb_image images[2];

static int make_images(void **state)
{
    struct dkvb__rng rng;

    (void)state;
    dkvb__rng_seed(&rng, 9, 0);
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < sizeof pixels[i]; j++)
            pixels[i][j] = (uint8_t)dkvb__rng_below(&rng, 256);
        images[i] = (dkvb_image)DKVB_IMAGE_INIT;
        images[i].width = images[i].height = SIDE;
        images[i].channels = 3;
        images[i].pixels = pixels[i];
    }
    return 0;
}

/* A weights file that is being made. The tensor `left_out` is not written, and the tensor `changed` has another last
 * element; both have names of OpenAI's layout, or are NULL. */
struct toy {
    struct tensor_file file;
    bool openai;
    const char *left_out, *changed;
    const char *more; /* name of a tensor besides the usual ones; NULL = none */
    double scale;     /* standard deviation of the elements of matrices */
    uint64_t next;
};

/* Makes elements of a tensor from a running random state; tensors are added in the same order in both layouts. */
static void elements(struct toy *t, float *to, size_t count, double scale, double centre)
{
    struct dkvb__rng rng;

    dkvb__rng_seed(&rng, 5, t->next++);
    for (size_t i = 0; i < count; i++)
        to[i] = (float)(centre + scale * dkvb__rng_gauss(&rng));
}

static void add(struct toy *t, const char *openai, const char *huggingface, uint32_t ndim, uint64_t a, uint64_t b,
                const float *from)
{
    uint64_t shape[4] = {a, b, PATCH, PATCH};
    size_t count = (size_t)(a * b * (ndim == 4 ? PATCH * PATCH : 1));
    float *copy = malloc(count * sizeof *copy);

    assert_non_null(copy);
    memcpy(copy, from, count * sizeof *copy);
    if (t->changed && strcmp(t->changed, openai) == 0)
        copy[count - 1] += 1e-3f;
    if (!t->left_out || strcmp(t->left_out, openai) != 0)
        tensor_file_add(&t->file, t->openai ? openai : huggingface, "F32", ndim, shape, copy, count * sizeof *copy);
    free(copy);
}

static void add_vector(struct toy *t, const char *openai, const char *huggingface, uint64_t n, double centre)
{
    float x[MOST];

    elements(t, x, (size_t)n, 0.3, centre);
    add(t, openai, huggingface, 1, n, 1, x);
}

static void add_norm(struct toy *t, const char *openai, const char *huggingface)
{
    char a[160], b[160];

    snprintf(a, sizeof a, "%s.weight", openai);
    snprintf(b, sizeof b, "%s.weight", huggingface);
    add_vector(t, a, b, WIDTH, 1.0);
    snprintf(a, sizeof a, "%s.bias", openai);
    snprintf(b, sizeof b, "%s.bias", huggingface);
    add_vector(t, a, b, WIDTH, 0.0);
}

static void add_linear(struct toy *t, const char *openai, const char *huggingface, uint64_t outputs, uint64_t inputs)
{
    char a[160], b[160];
    float x[MOST];

    snprintf(a, sizeof a, "%s.weight", openai);
    snprintf(b, sizeof b, "%s.weight", huggingface);
    elements(t, x, (size_t)(outputs * inputs), t->scale, 0.0);
    add(t, a, b, 2, outputs, inputs, x);
    snprintf(a, sizeof a, "%s.bias", openai);
    snprintf(b, sizeof b, "%s.bias", huggingface);
    add_vector(t, a, b, outputs, 0.0);
}

static void add_attention(struct toy *t, const char *openai, const char *huggingface)
{
    float x[MOST], bias[3 * WIDTH];
    char a[160], b[160];

    elements(t, x, MOST, t->scale, 0.0);
    elements(t, bias, 3 * WIDTH, 0.3, 0.0);
    for (size_t i = 0; i < (t->openai ? 1 : 3); i++) {
        uint64_t outputs = t->openai ? 3 * WIDTH : WIDTH;

        snprintf(a, sizeof a, "%s.attn.in_proj_weight", openai);
        snprintf(b, sizeof b, "%s.self_attn.%c_proj.weight", huggingface, "qkv"[i]);
        add(t, a, b, 2, outputs, WIDTH, x + i * WIDTH * WIDTH);
        snprintf(a, sizeof a, "%s.attn.in_proj_bias", openai);
        snprintf(b, sizeof b, "%s.self_attn.%c_proj.bias", huggingface, "qkv"[i]);
        add(t, a, b, 1, outputs, 1, bias + i * WIDTH);
    }
    snprintf(a, sizeof a, "%s.attn.out_proj", openai);
    snprintf(b, sizeof b, "%s.self_attn.out_proj", huggingface);
    add_linear(t, a, b, WIDTH, WIDTH);
}

static void add_block(struct toy *t, uint32_t i)
{
    char a[2][64], b[2][96];

    snprintf(a[0], sizeof a[0], "visual.transformer.resblocks.%u", i);
    snprintf(b[0], sizeof b[0], "vision_model.encoder.layers.%u", i);
    add_attention(t, a[0], b[0]);
#define PART(openai, huggingface)                                                                                      \
    (snprintf(a[1], sizeof a[1], "%.48s.%s", a[0], openai), snprintf(b[1], sizeof b[1], "%.48s.%s", b[0], huggingface))
    PART("ln_1", "layer_norm1");
    add_norm(t, a[1], b[1]);
    PART("ln_2", "layer_norm2");
    add_norm(t, a[1], b[1]);
    PART("mlp.c_fc", "mlp.fc1");
    add_linear(t, a[1], b[1], WITHIN, WIDTH);
    PART("mlp.c_proj", "mlp.fc2");
    add_linear(t, a[1], b[1], WIDTH, WITHIN);
#undef PART
}

/* Adds the tensor of the projection: float[WIDTH][COLUMNS] in OpenAI's layout, its transpose in the layout of Hugging
 * Face. */
static void add_projection(struct toy *t)
{
    float x[WIDTH * COLUMNS], transposed[WIDTH * COLUMNS];

    elements(t, x, WIDTH * COLUMNS, t->scale, 0.0);
    for (size_t i = 0; i < WIDTH; i++)
        for (size_t j = 0; j < COLUMNS; j++)
            transposed[j * WIDTH + i] = x[i * COLUMNS + j];
    if (t->openai)
        add(t, "visual.proj", "", 2, WIDTH, COLUMNS, x);
    else
        add(t, "visual.proj", "visual_projection.weight", 2, COLUMNS, WIDTH, transposed);
}

static const char *write_toy(struct toy t)
{
    float x[WIDTH * 3 * PATCH * PATCH];

    tensor_file_begin(&t.file);
    elements(&t, x, WIDTH * 3 * PATCH * PATCH, t.scale, 0.0);
    add(&t, "visual.conv1.weight", "vision_model.embeddings.patch_embedding.weight", 4, WIDTH, 3, x);
    elements(&t, x, TOKENS * WIDTH, 0.5, 0.0);
    add(&t, "visual.positional_embedding", "vision_model.embeddings.position_embedding.weight", 2, TOKENS, WIDTH, x);
    add_vector(&t, "visual.class_embedding", "vision_model.embeddings.class_embedding", WIDTH, 0.0);
    add_norm(&t, "visual.ln_pre", "vision_model.pre_layrnorm");
    add_norm(&t, "visual.ln_post", "vision_model.post_layernorm");
    for (uint32_t i = 0; i < BLOCKS; i++)
        add_block(&t, i);
    add_projection(&t);
    if (t.more)
        tensor_file_add_random(&t.file, t.more, 1, &(uint64_t){WIDTH}, 1.0f, 0.5f);
    tensor_file_write(&t.file, temp_path("toy.safetensors"));
    return temp_path("toy.safetensors");
}

static dkvb_status open_toy(dkvb_encoder **e, const char *path, uint32_t activation, const dkvb_allocator *mem)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;

    o.weights = path;
    o.heads = 2;
    o.activation = activation;
    o.allocator = mem;
    return dkvb_encoder_open(e, DKVB_ENCODER_CLIP, &o);
}

/* Encodes both test pictures, and returns their rows and the encoder's identity. */
static void rows_of(const char *path, uint32_t activation, float *x, char *identity)
{
    dkvb_encoder *e;

    if (open_toy(&e, path, activation, NULL) != DKVB_OK)
        fail_msg("%s", dkvb_last_error());
    assert_ok(dkvb_encoder_encode(e, images, 2, x, NULL, NULL));
    snprintf(identity, DKVB_ENCODER_IDENTITY_SIZE, "%s", e->info.identity);
    dkvb_encoder_free(e);
}

static void both_layouts_are_one_network(void **state)
{
    float a[2 * COLUMNS], b[2 * COLUMNS];
    char identity[2][DKVB_ENCODER_IDENTITY_SIZE];

    (void)state;
    rows_of(write_toy((struct toy){.openai = true, .scale = 0.4}), 0, a, identity[0]);
    rows_of(write_toy((struct toy){.scale = 0.4}), 0, b, identity[1]);
    assert_memory_equal(a, b, sizeof a);
    assert_string_equal(identity[0], identity[1]);
    assert_int_equal(strlen(identity[0]), strlen("clip:") + 32);
    assert_memory_not_equal(a, a + COLUMNS, sizeof a / 2);
}

static void the_other_activation_is_named_where_that_is_what_differs(void **state)
{
    const char *path = write_toy((struct toy){.openai = true, .scale = 0.4});
    char identity[DKVB_ENCODER_IDENTITY_SIZE];
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    float x[2 * COLUMNS];
    dkvb_encoder *e;

    (void)state;
    rows_of(path, DKVB_ACTIVATION_GELU, x, identity);
    o.weights = path;
    o.heads = 2;
    o.remembered = identity;
    o.activation = DKVB_ACTIVATION_QUICK_GELU;
    assert_int_equal(dkvb_encoder_open(&e, DKVB_ENCODER_REMEMBERED, &o), DKVB_EMISMATCH);
    assert_message("gives those with the activation gelu");
    assert_null(e);
    o.activation = DKVB_ACTIVATION_GELU;
    assert_ok(dkvb_encoder_open(&e, DKVB_ENCODER_REMEMBERED, &o));
    dkvb_encoder_free(e);
}

static void every_tensor_counts_and_is_wanted(void **state)
{
    static const char *const some[] = {"visual.conv1.weight",
                                       "visual.positional_embedding",
                                       "visual.class_embedding",
                                       "visual.ln_pre.bias",
                                       "visual.ln_post.weight",
                                       "visual.proj",
                                       "visual.transformer.resblocks.0.ln_1.weight",
                                       "visual.transformer.resblocks.1.ln_2.bias",
                                       "visual.transformer.resblocks.0.attn.in_proj_weight",
                                       "visual.transformer.resblocks.0.attn.in_proj_bias",
                                       "visual.transformer.resblocks.1.attn.out_proj.weight",
                                       "visual.transformer.resblocks.1.mlp.c_fc.bias",
                                       "visual.transformer.resblocks.0.mlp.c_proj.weight"};
    float a[2 * COLUMNS], b[2 * COLUMNS];
    char identity[2][DKVB_ENCODER_IDENTITY_SIZE];
    dkvb_encoder *e;

    (void)state;
    rows_of(write_toy((struct toy){.openai = true, .scale = 0.4}), 0, a, identity[0]);
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        rows_of(write_toy((struct toy){.openai = true, .scale = 0.4, .changed = some[i]}), 0, b, identity[1]);
        assert_memory_not_equal(a, b, sizeof a);
        assert_string_not_equal(identity[0], identity[1]);
        assert_int_equal(
            open_toy(&e, write_toy((struct toy){.openai = true, .scale = 0.4, .left_out = some[i]}), 0, NULL),
            DKVB_EFORMAT);
        assert_null(e);
        assert_message("toy.safetensors");
    }
}

/* A weights file with layers of other networks is refused, as they must not be left out silently. */
static void tensors_that_are_not_clips_are_refused(void **state)
{
    static const char *const others[] = {"visual.transformer.resblocks.0.ls_1.gamma",
                                         "vision_model.encoder.layers.1.layer_scale1"};
    static const char *const harmless[] = {"transformer.resblocks.0.ln_1.weight",
                                           "vision_model.embeddings.position_ids"};
    float x[2 * COLUMNS];
    char identity[DKVB_ENCODER_IDENTITY_SIZE];
    dkvb_encoder *e;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct toy toy = {.openai = i == 0, .scale = 0.4, .more = others[i]};

        assert_int_equal(open_toy(&e, write_toy(toy), 0, NULL), DKVB_EFORMAT);
        assert_null(e);
        assert_message("has no place here: the weights of another network");
        toy.more = harmless[i];
        rows_of(write_toy(toy), 0, x, identity);
    }
}

static void the_activation_is_part_of_what_it_is(void **state)
{
    float a[2 * COLUMNS], b[2 * COLUMNS];
    char identity[2][DKVB_ENCODER_IDENTITY_SIZE];
    const char *path = write_toy((struct toy){.scale = 0.4});

    (void)state;
    rows_of(path, DKVB_ACTIVATION_QUICK_GELU, a, identity[0]);
    rows_of(path, DKVB_ACTIVATION_GELU, b, identity[1]);
    assert_memory_not_equal(a, b, sizeof a);
    assert_string_not_equal(identity[0], identity[1]);
}

static void what_it_is_can_be_asked(void **state)
{
    dkvb_encoder_info info = {.struct_size = sizeof info};
    dkvb_encoder *e;

    (void)state;
    assert_ok(open_toy(&e, write_toy((struct toy){.openai = true, .scale = 0.4}), 0, NULL));
    assert_ok(dkvb_encoder_get_info(e, &info));
    assert_int_equal(info.kind, DKVB_ENCODER_CLIP);
    assert_int_equal(info.dim, COLUMNS);
    assert_int_equal(info.shorter, SIDE);
    assert_int_equal(info.crop, SIDE);
    assert_int_equal(info.filter, DKVB_FILTER_BICUBIC);
    assert_int_equal(info.layout, DKVB_LAYOUT_OPENAI);
    assert_int_equal(info.layers, BLOCKS);
    assert_int_equal(info.activation, DKVB_ACTIVATION_QUICK_GELU);
    dkvb_encoder_free(e);
}

static void rows_that_are_not_finite_are_refused(void **state)
{
    dkvb_encoder *e;
    float x[2 * COLUMNS];

    (void)state;
    assert_ok(open_toy(&e, write_toy((struct toy){.scale = 1e38}), 0, NULL));
    assert_int_equal(dkvb_encoder_encode(e, images, 2, x, NULL, NULL), DKVB_EFORMAT);
    assert_message("not finite");
    dkvb_encoder_free(e);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    const char *path = write_toy((struct toy){.scale = 0.4});

    (void)state;
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, fail_at);
        dkvb_encoder *e = NULL;
        float x[2 * COLUMNS];
        dkvb_status rc = open_toy(&e, path, 0, &mem);

        if (rc == DKVB_OK)
            rc = dkvb_encoder_encode(e, images, 2, x, NULL, NULL);
        dkvb_encoder_free(e);
        assert_int_equal(failing.live, 0);
        if (rc == DKVB_OK)
            return;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_layouts_are_one_network),
        cmocka_unit_test(the_other_activation_is_named_where_that_is_what_differs),
        cmocka_unit_test(every_tensor_counts_and_is_wanted),
        cmocka_unit_test(tensors_that_are_not_clips_are_refused),
        cmocka_unit_test(the_activation_is_part_of_what_it_is),
        cmocka_unit_test(what_it_is_can_be_asked),
        cmocka_unit_test(rows_that_are_not_finite_are_refused),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("clip", tests, make_images, NULL);
}

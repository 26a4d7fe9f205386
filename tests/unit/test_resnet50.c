/* Tests of the encoder ResNet-50, sixteen times narrower and with made-up weights, compared with a plain
 * implementation. */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "encoder/network.h"
#include "encoder/safetensors.h"
#include "fixture.h"
#include "tensor_files.h"

/* more pictures than the encoder processes together */
enum { NARROW = 4, SIDE = 224, OUT = 32 * NARROW, PICTURES = 9 };

static const uint32_t blocks_of_layer[4] = {3, 4, 6, 3};

/* A change to the usual weights file: one tensor is replaced. */
struct change {
    const char *name; /* NULL: nothing */
    uint64_t first;   /* first dimension of the changed tensor; 0 leaves the tensor out */
    float shift;      /* number added to all elements of the changed tensor */
    const char *more; /* name of a tensor besides the usual ones; NULL = none */
};

static void add_tensor(struct tensor_file *t, const struct change *change, const char *name, uint32_t ndim,
                       const uint64_t *shape, float centre, float spread)
{
    uint64_t actual[4] = {0};

    memcpy(actual, shape, ndim * sizeof *shape);
    if (change && change->name && strcmp(change->name, name) == 0) {
        if (change->first == 0)
            return;
        actual[0] = change->first;
        centre += change->shift;
    }
    tensor_file_add_random(t, name, ndim, actual, centre, spread);
}

/* Adds the weights of a convolution, scaled so that its outputs neither grow nor vanish, and of its batch norm. */
static void add_convolution(struct tensor_file *t, const struct change *change, const char *name, const char *norm,
                            uint64_t out, uint64_t in, uint64_t kernel)
{
    static const struct {
        const char *part;
        float centre, spread;
    } parts[] = {
        {"weight", 1.0f, 0.2f}, {"bias", 0.0f, 0.2f}, {"running_mean", 0.0f, 0.2f}, {"running_var", 1.0f, 0.5f}};
    uint64_t shape[4] = {out, in, kernel, kernel};
    char full[96];

    snprintf(full, sizeof full, "%s.weight", name);
    add_tensor(t, change, full, 4, shape, 0.0f, sqrtf(3.0f / (float)(in * kernel * kernel)));
    for (size_t i = 0; i < 4; i++) {
        snprintf(full, sizeof full, "%s.%s", norm, parts[i].part);
        add_tensor(t, change, full, 1, shape, parts[i].centre, parts[i].spread);
    }
}

static void add_block(struct tensor_file *t, const struct change *change, uint32_t layer, uint32_t index)
{
    uint64_t inside = (uint64_t)NARROW << (layer - 1), out = 4 * inside;
    uint64_t in = index > 0 ? out : layer > 1 ? out / 2 : NARROW;
    uint64_t sizes[3][3] = {{inside, in, 1}, {inside, inside, 3}, {out, inside, 1}};
    char name[64], norm[64];

    for (size_t i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "layer%u.%u.conv%zu", layer, index, i + 1);
        snprintf(norm, sizeof norm, "layer%u.%u.bn%zu", layer, index, i + 1);
        add_convolution(t, change, name, norm, sizes[i][0], sizes[i][1], sizes[i][2]);
    }
    snprintf(name, sizeof name, "layer%u.%u.downsample.0", layer, index);
    snprintf(norm, sizeof norm, "layer%u.%u.downsample.1", layer, index);
    if (index == 0)
        add_convolution(t, change, name, norm, out, in, 1);
}

/* Writes a weights file with torchvision's tensor names, including tensors that the encoder does not use. */
static const char *write_weights(const struct change *change)
{
    static const uint64_t fc[2] = {3, OUT};
    static const int64_t batches = 7;
    const char *path = temp_path("resnet50.safetensors");
    struct tensor_file t;

    tensor_file_begin(&t);
    tensor_file_add(&t, "bn1.num_batches_tracked", "I64", 0, NULL, &batches, sizeof batches);
    add_convolution(&t, change, "conv1", "bn1", NARROW, 3, 7);
    for (uint32_t layer = 1; layer <= 4; layer++)
        for (uint32_t i = 0; i < blocks_of_layer[layer - 1]; i++)
            add_block(&t, change, layer, i);
    add_tensor(&t, change, "fc.weight", 2, fc, 0.0f, 1.0f);
    if (change && change->more)
        tensor_file_add_random(&t, change->more, 1, fc, 0.0f, 1.0f);
    tensor_file_write(&t, path);
    return path;
}

struct opened {
    void *state;
    dkvb_encoder_info info;
    char identity[48];
};

static dkvb_status open_with(struct opened *o, const char *path, const dkvb_allocator *mem)
{
    dkvb_encoder_options opts = DKVB_ENCODER_OPTIONS_INIT;

    memset(o, 0, sizeof *o);
    opts.weights = path;
    return dkvb__resnet50.open(&o->state, &o->info, o->identity, sizeof o->identity, &opts, mem);
}

static void open_usual(struct opened *o)
{
    dkvb_allocator mem = dkvb__allocator(NULL);

    assert_ok(open_with(o, write_weights(NULL), &mem));
}

static void close_it(struct opened *o)
{
    dkvb_allocator mem = dkvb__allocator(NULL);

    dkvb__resnet50.close(o->state, &mem);
}

/* Makes pictures of patches and noise, which are the same in every run. */
static uint8_t *make_pictures(struct dkvb__view views[PICTURES])
{
    size_t size = (size_t)SIDE * SIDE * 3;
    uint8_t *pixels = malloc(PICTURES * size);
    struct dkvb__rng rng;

    assert_non_null(pixels);
    dkvb__rng_seed(&rng, 11, 0);
    for (size_t p = 0; p < PICTURES; p++) {
        for (size_t i = 0; i < size; i++)
            pixels[p * size + i] =
                (uint8_t)((i / 3 % SIDE / 28 * 31 + i / 3 / SIDE / 28 * 17 * (p + 1) + i % 3 * 40) % 200 +
                          dkvb__rng_below(&rng, 56));
        views[p] = (struct dkvb__view){pixels + p * size, SIDE, SIDE, 3};
    }
    return pixels;
}

static dkvb_status encode(const struct opened *o, const struct dkvb__view *views, size_t n, uint32_t threads, float *x,
                          const struct dkvb__trace *trace)
{
    dkvb_run_options opts = DKVB_RUN_OPTIONS_INIT;
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__run run;

    opts.threads = threads;
    assert_ok(dkvb__run_take(&run, &opts));
    return dkvb__resnet50.encode(o->state, views, n, x, &run, trace, &mem);
}

/* A picture in the plain network in double precision, [channels][side][side], whose batch norms are computed
 * separately. */
struct plain {
    const struct dkvb__safetensors *file;
    size_t channels, side;
    double *x;
};

static float *take(const struct plain *p, const char *name, const char *part, uint32_t ndim, const uint64_t *shape)
{
    size_t n = 1;
    char full[96];
    float *x;

    for (uint32_t d = 0; d < ndim; d++)
        n *= (size_t)shape[d];
    x = malloc(n * sizeof *x);
    assert_non_null(x);
    snprintf(full, sizeof full, "%s.%s", name, part);
    assert_ok(dkvb__safetensors_read(p->file, full, ndim, shape, x));
    return x;
}

static double convolve_at(const struct plain *p, const float *w, size_t kernel, size_t down, size_t across)
{
    double sum = 0.0;

    for (size_t c = 0; c < p->channels; c++)
        for (size_t i = 0; i < kernel; i++)
            for (size_t j = 0; j < kernel; j++) {
                size_t y = down + i - kernel / 2, x = across + j - kernel / 2;

                if (y < p->side && x < p->side)
                    sum += p->x[(c * p->side + y) * p->side + x] * w[(c * kernel + i) * kernel + j];
            }
    return sum;
}

/* Computes bn(conv(x)). */
static struct plain plain_convolution(const struct plain *p, const char *name, const char *norm, size_t out,
                                      size_t kernel, size_t step)
{
    uint64_t shape[4] = {out, p->channels, kernel, kernel};
    float *w = take(p, name, "weight", 4, shape), *weight = take(p, norm, "weight", 1, shape);
    float *bias = take(p, norm, "bias", 1, shape), *mean = take(p, norm, "running_mean", 1, shape);
    float *variance = take(p, norm, "running_var", 1, shape);
    struct plain y = {p->file, out, p->side / step, malloc(out * p->side * p->side * sizeof(double))};

    for (size_t o = 0; o < out; o++)
        for (size_t i = 0; i < y.side * y.side; i++) {
            double sum =
                convolve_at(p, w + o * p->channels * kernel * kernel, kernel, i / y.side * step, i % y.side * step);

            y.x[o * y.side * y.side + i] = (sum - mean[o]) / sqrt(variance[o] + 1e-5) * weight[o] + bias[o];
        }
    free(w);
    free(weight);
    free(bias);
    free(mean);
    free(variance);
    return y;
}

static void relu(struct plain *p)
{
    for (size_t i = 0; i < p->channels * p->side * p->side; i++)
        p->x[i] = p->x[i] > 0.0 ? p->x[i] : 0.0;
}

static void replace(struct plain *p, struct plain by)
{
    free(p->x);
    *p = by;
}

static void plain_picture(struct plain *p, const struct dkvb__view *view)
{
    static const double mean[3] = {0.485, 0.456, 0.406}, deviation[3] = {0.229, 0.224, 0.225};

    p->channels = 3;
    p->side = SIDE;
    p->x = malloc((size_t)3 * SIDE * SIDE * sizeof *p->x);
    assert_non_null(p->x);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++)
        for (size_t c = 0; c < 3; c++)
            p->x[c * SIDE * SIDE + i] = (view->pixels[3 * i + c] / 255.0 - mean[c]) / deviation[c];
}

static void plain_maxpool(struct plain *p)
{
    size_t half = p->side / 2;
    struct plain y = {p->file, p->channels, half, malloc(p->channels * half * half * sizeof(double))};

    for (size_t i = 0; i < y.channels * half * half; i++) {
        double most = -INFINITY;

        for (size_t j = 0; j < 9; j++) {
            size_t row = i / half % half * 2 + j / 3 - 1, column = i % half * 2 + j % 3 - 1;

            if (row < p->side && column < p->side)
                most = fmax(most, p->x[(i / (half * half) * p->side + row) * p->side + column]);
        }
        y.x[i] = most;
    }
    replace(p, y);
}

static void plain_block(struct plain *p, uint32_t layer, uint32_t index)
{
    size_t inside = (size_t)NARROW << (layer - 1), step = layer > 1 && index == 0 ? 2 : 1;
    struct plain y = *p, added = *p;
    char name[64], norm[64];

    for (size_t i = 0; i < 3; i++) {
        struct plain next;

        snprintf(name, sizeof name, "layer%u.%u.conv%zu", layer, index, i + 1);
        snprintf(norm, sizeof norm, "layer%u.%u.bn%zu", layer, index, i + 1);
        next = plain_convolution(&y, name, norm, i == 2 ? 4 * inside : inside, i == 1 ? 3 : 1, i == 1 ? step : 1);
        if (i < 2)
            relu(&next);
        if (i > 0)
            free(y.x);
        y = next;
    }
    snprintf(name, sizeof name, "layer%u.%u.downsample.0", layer, index);
    snprintf(norm, sizeof norm, "layer%u.%u.downsample.1", layer, index);
    if (index == 0) {
        added = plain_convolution(p, name, norm, 4 * inside, 1, step);
        free(p->x);
    }
    for (size_t i = 0; i < y.channels * y.side * y.side; i++)
        y.x[i] += added.x[i];
    free(added.x);
    relu(&y);
    *p = y;
}

/* Runs the plain network beside the traced encoder, one step for each layer name that the trace reports. */
struct follower {
    struct plain plain;
    size_t told, stop_at; /* number of reported layer names, and the one at which to stop (0 = never) */
    double worst;         /* largest difference, as a fraction of the largest value of a layer */
};

/* Returns the larger of two numbers, where NaN counts as larger than all others. */
static double larger(double a, double b)
{
    return a <= b ? b : a;
}

static void compare(struct follower *f, size_t pixels, size_t columns, const float *values)
{
    const struct plain *p = &f->plain;
    double most = 0.0, worst = 0.0;

    assert_int_equal(pixels, p->side * p->side);
    assert_int_equal(columns, p->channels);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < columns; c++) {
            most = larger(fabs(p->x[c * pixels + i]), most);
            worst = larger(fabs(p->x[c * pixels + i] - values[i * columns + c]), worst);
        }
    assert_true(most > 0.1 && most < 1e4);
    f->worst = larger(worst / most, f->worst);
}

static void plain_pool(struct plain *p)
{
    size_t pixels = p->side * p->side;

    for (size_t c = 0; c < p->channels; c++) {
        double sum = 0.0;

        for (size_t i = 0; i < pixels; i++)
            sum += p->x[c * pixels + i];
        p->x[c] = sum / (double)pixels;
    }
    p->side = 1;
}

static int follow(void *user, const char *name, size_t pixels, size_t columns, const float *values)
{
    struct follower *f = user;
    unsigned layer, index;

    f->told++;
    if (f->told == f->stop_at)
        return 1;
    if (strcmp(name, "conv1") == 0) {
        replace(&f->plain, plain_convolution(&f->plain, "conv1", "bn1", NARROW, 7, 2));
        relu(&f->plain);
    } else if (strcmp(name, "maxpool") == 0) {
        plain_maxpool(&f->plain);
    } else if (sscanf(name, "layer%u.%u", &layer, &index) == 2) {
        plain_block(&f->plain, layer, index);
    } else {
        assert_string_equal(name, "pool");
        plain_pool(&f->plain);
    }
    compare(f, pixels, columns, values);
    return 0;
}

static void every_layer_is_that_of_the_plain_network(void **state)
{
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__view views[PICTURES];
    uint8_t *pixels = make_pictures(views);
    struct follower f = {.told = 0};
    struct dkvb__trace trace = {follow, &f};
    struct dkvb__safetensors *file;
    struct opened o;
    float x[OUT];

    (void)state;
    open_usual(&o);
    assert_int_equal(o.info.dim, OUT);
    assert_int_equal(o.info.shorter, 256);
    assert_int_equal(o.info.crop, SIDE);
    assert_int_equal(o.info.filter, DKVB_FILTER_BILINEAR);
    assert_int_equal(o.info.layout, DKVB_LAYOUT_TORCHVISION);
    assert_ok(dkvb__safetensors_open(&file, temp_path("resnet50.safetensors"), &mem));
    f.plain.file = file;
    plain_picture(&f.plain, &views[1]);
    assert_ok(encode(&o, &views[1], 1, 1, x, &trace));
    assert_int_equal(f.told, 2 + 16 + 1);
    /* A float32 sum of products has an error of about 6e-8 of the sum of magnitudes, and the errors of 50 layers add
     * up. */
    assert_true(f.worst < 50 * 6e-8);
    free(f.plain.x);
    dkvb__safetensors_close(file);
    close_it(&o);
    free(pixels);
}

static void a_row_depends_neither_on_neighbours_nor_on_threads(void **state)
{
    static float together[PICTURES * OUT], alone[OUT];
    struct dkvb__view views[PICTURES];
    uint8_t *pixels = make_pictures(views);
    struct opened o;

    (void)state;
    open_usual(&o);
    assert_ok(encode(&o, views, PICTURES, 3, together, NULL));
    for (size_t i = 0; i < PICTURES; i += 4) {
        assert_ok(encode(&o, &views[i], 1, 1 + (uint32_t)i / 4, alone, NULL));
        assert_memory_equal(alone, together + i * OUT, sizeof alone);
    }
    assert_memory_not_equal(together, together + OUT, sizeof alone);
    close_it(&o);
    free(pixels);
}

static void the_identity_is_that_of_the_weights_that_are_used(void **state)
{
    static const struct change used[] = {
        {"conv1.weight", NARROW, 0.01f, NULL},
        {"bn1.running_var", NARROW, 0.5f, NULL},
        {"layer4.2.bn3.bias", 32 * NARROW, 0.1f, NULL},
        {"layer3.0.downsample.1.running_mean", 16 * NARROW, 0.1f, NULL},
        {"layer2.3.conv2.weight", 2 * NARROW, 0.01f, NULL},
    };
    static const struct change unused = {"fc.weight", 5, 0.5f, NULL};
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct opened usual, other;

    (void)state;
    open_usual(&usual);
    assert_int_equal(strlen(usual.identity), 32);
    assert_int_equal(strspn(usual.identity, "0123456789abcdef"), 32);
    for (size_t i = 0; i < sizeof used / sizeof *used; i++) {
        assert_ok(open_with(&other, write_weights(&used[i]), &mem));
        assert_string_not_equal(other.identity, usual.identity);
        close_it(&other);
    }
    assert_ok(open_with(&other, write_weights(&unused), &mem));
    assert_string_equal(other.identity, usual.identity);
    close_it(&other);
    close_it(&usual);
}

static void weights_that_do_not_fit_are_named(void **state)
{
    static const struct {
        struct change change;
        const char *part;
    } cases[] = {
        /* a tensor that only ResNet-101 has */
        {{.more = "layer3.6.bn1.weight"}, "layer3.6.bn1.weight has no place here"},
        {{.more = "layer1.0.se.fc1.bias"}, "layer1.0.se.fc1.bias has no place here"},
        {{"conv1.weight", 0, 0.0f, NULL}, "has no tensor conv1.weight: not torchvision's ResNet-50"},
        {{"conv1.weight", 65, 0.0f, NULL}, "conv1.weight has 4 dimensions, the first 65; 4 are wanted, and 1 to 64"},
        {{"conv1.weight", 5, 0.0f, NULL}, "tensor bn1.weight is of 4, 5 is wanted"},
        {{"layer1.0.conv1.weight", 0, 0.0f, NULL}, "has no tensor layer1.0.conv1.weight"},
        {{"layer2.0.downsample.0.weight", 33, 0.0f, NULL},
         "layer2.0.downsample.0.weight is of 33 x 16 x 1 x 1, 32 x 16"},
        {{"layer3.5.bn2.running_mean", 0, 0.0f, NULL}, "has no tensor layer3.5.bn2.running_mean"},
        {{"layer4.2.bn3.running_var", 128, -2.0f, NULL}, "layer4.2.bn3.running_var: element 0 is -"},
        {{"layer4.2.conv3.weight", 128, 3e38f, NULL}, "layer4.2.conv3.weight with its norm is not finite"},
    };
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct opened o;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(open_with(&o, write_weights(&cases[i].change), &mem), DKVB_EFORMAT);
        assert_null(o.state);
        assert_message("resnet50.safetensors: ");
        if (!strstr(dkvb_last_error(), cases[i].part))
            fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), cases[i].part);
    }
}

static void a_trace_can_be_stopped(void **state)
{
    struct dkvb__view views[PICTURES];
    uint8_t *pixels = make_pictures(views);
    struct follower f = {.stop_at = 1};
    struct dkvb__trace trace = {follow, &f};
    struct opened o;
    float x[OUT];

    (void)state;
    open_usual(&o);
    assert_int_equal(encode(&o, views, 1, 1, x, &trace), DKVB_ECANCELLED);
    assert_int_equal(f.told, 1);
    close_it(&o);
    free(pixels);
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    const char *path = write_weights(NULL);
    dkvb_status rc = DKVB_ENOMEM;

    (void)state;
    for (size_t fail_at = 0; rc; fail_at += fail_at < 12 ? 1 : 7) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, fail_at);
        struct opened o;

        rc = open_with(&o, path, &mem);
        dkvb__resnet50.close(o.state, &mem);
        assert_int_equal(failing.live, 0);
        if (rc)
            assert_int_equal(rc, DKVB_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_is_that_of_the_plain_network),
        cmocka_unit_test(a_row_depends_neither_on_neighbours_nor_on_threads),
        cmocka_unit_test(the_identity_is_that_of_the_weights_that_are_used),
        cmocka_unit_test(weights_that_do_not_fit_are_named),
        cmocka_unit_test(a_trace_can_be_stopped),
        cmocka_unit_test(every_failing_allocation_is_reported_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("resnet50", tests, NULL, NULL);
}

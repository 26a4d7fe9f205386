/* Tests of finding the sizes of a CLIP network from its tensors and configs. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "encoder/clip_shape.h"
#include "fixture.h"
#include "tensor_files.h"

/* Sizes of a toy network: pictures of 12 x 12 pixels in patches of 4 x 4, width 8, 2 blocks whose MLP has width 16,
 * embeddings of 6 columns. */
enum { GRID = 3, PATCH = 4, WIDTH = 8, LAYERS = 2, MLP = 16, COLUMNS = 6 };

struct toy {
    uint64_t class_token[1], patches[4], positions[2], attention[2], mlp[2], projection[2];
    uint32_t layers;
};

static struct toy toy_of_width(uint64_t width)
{
    return (struct toy){
        {width}, {width, 3, PATCH, PATCH}, {1 + GRID * GRID, width}, {width, width}, {MLP, width}, {COLUMNS, width},
        LAYERS};
}

static const char *weights_path(void)
{
    return temp_path("model.safetensors");
}

/* Writes a weights file of those tensors from which sizes are taken, in either layout. */
static void write_toy(const struct toy *toy, uint32_t layout)
{
    bool openai = layout == DKVB_LAYOUT_OPENAI;
    uint64_t transposed[2] = {toy->projection[1], toy->projection[0]};
    const char *blocks = openai ? "visual.transformer.resblocks." : "vision_model.encoder.layers.";
    struct tensor_file t;
    char name[96];

    tensor_file_begin(&t);
    tensor_file_add_random(&t, openai ? "visual.class_embedding" : "vision_model.embeddings.class_embedding", 1,
                           toy->class_token, 0, 1);
    tensor_file_add_random(&t, openai ? "visual.conv1.weight" : "vision_model.embeddings.patch_embedding.weight", 4,
                           toy->patches, 0, 1);
    tensor_file_add_random(&t,
                           openai ? "visual.positional_embedding" : "vision_model.embeddings.position_embedding.weight",
                           2, toy->positions, 0, 1);
    for (uint32_t i = 0; i < toy->layers; i++) {
        snprintf(name, sizeof name, "%s%u.%s.weight", blocks, i, openai ? "ln_1" : "layer_norm1");
        tensor_file_add_random(&t, name, 1, toy->class_token, 0, 1);
        snprintf(name, sizeof name, "%s%u.%s.out_proj.weight", blocks, i, openai ? "attn" : "self_attn");
        tensor_file_add_random(&t, name, 2, toy->attention, 0, 1);
        snprintf(name, sizeof name, "%s%u.mlp.%s.weight", blocks, i, openai ? "c_fc" : "fc1");
        tensor_file_add_random(&t, name, 2, toy->mlp, 0, 1);
    }
    tensor_file_add_random(&t, openai ? "visual.proj" : "visual_projection.weight", 2,
                           openai ? transposed : toy->projection, 0, 1);
    tensor_file_write(&t, weights_path());
}

static void write_usual_toy(uint64_t width)
{
    struct toy toy = toy_of_width(width);

    write_toy(&toy, DKVB_LAYOUT_HUGGINGFACE);
}

static void write_config(const char *name, const char *text)
{
    write_file(temp_path(name), text, strlen(text));
}

static int without_configs(void **state)
{
    (void)state;
    unlink(temp_path("config.json"));
    unlink(temp_path("open_clip_config.json"));
    return 0;
}

static dkvb_status shape_of(struct dkvb__clip_shape *shape, const dkvb_encoder_options *opts)
{
    dkvb_encoder_options defaults = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_allocator mem = dkvb__allocator(NULL);
    struct dkvb__safetensors *f;
    dkvb_status rc;

    memset(shape, 0, sizeof *shape);
    assert_ok(dkvb__safetensors_open(&f, weights_path(), &mem));
    rc = dkvb__clip_shape(shape, f, opts ? opts : &defaults, &mem);
    dkvb__safetensors_close(f);
    return rc;
}

static void assert_shape_refused(const char *part)
{
    struct dkvb__clip_shape shape;

    assert_int_equal(shape_of(&shape, NULL), DKVB_EFORMAT);
    assert_message(temp_folder());
    if (!strstr(dkvb_last_error(), part))
        fail_msg("\"%s\" does not say \"%s\"", dkvb_last_error(), part);
}

static void assert_config_refused(const char *text, const char *part)
{
    write_config("config.json", text);
    assert_shape_refused(part);
    assert_message("config.json: ");
}

static void both_layouts_show_their_sizes(void **state)
{
    static const uint32_t layouts[] = {DKVB_LAYOUT_HUGGINGFACE, DKVB_LAYOUT_OPENAI};
    struct toy toy = toy_of_width(128);
    struct dkvb__clip_shape s;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        write_toy(&toy, layouts[i]);
        assert_ok(shape_of(&s, NULL));
        assert_int_equal(s.layout, layouts[i]);
        assert_int_equal(s.image_size, GRID * PATCH);
        assert_int_equal(s.patch, PATCH);
        assert_int_equal(s.width, 128);
        assert_int_equal(s.layers, LAYERS);
        assert_int_equal(s.heads, 2);
        assert_int_equal(s.mlp, MLP);
        assert_int_equal(s.dim, COLUMNS);
        assert_int_equal(s.activation, DKVB_ACTIVATION_QUICK_GELU);
        assert_true(s.epsilon == 1e-5f);
    }
}

static void options_say_what_tensors_cannot(void **state)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    struct dkvb__clip_shape s;

    (void)state;
    write_usual_toy(WIDTH);
    assert_shape_refused("width 8 is no multiple of a head's");
    o.heads = 2;
    o.activation = DKVB_ACTIVATION_GELU;
    assert_ok(shape_of(&s, &o));
    assert_int_equal(s.heads, 2);
    assert_int_equal(s.activation, DKVB_ACTIVATION_GELU);
    o.heads = 3;
    assert_int_equal(shape_of(&s, &o), DKVB_EINVAL);
    assert_message("width 8 cannot be divided among 3 heads");
    o.heads = 2;
    o.activation = 3;
    assert_int_equal(shape_of(&s, &o), DKVB_EINVAL);
    assert_message("activation is 3");
}

#define PART                                                                                                           \
    "\"hidden_size\":8,\"intermediate_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":4,\"image_size\":12,"  \
    "\"patch_size\":4"

static void a_config_of_transformers_is_followed(void **state)
{
    static const char *const texts[] = {
        "{\"model_type\":\"clip\",\"projection_dim\":6,\"vision_config\":{" PART
        ",\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-6,\"projection_dim\":512}}",
        "{\"model_type\":\"clip_vision_model\",\"projection_dim\":6," PART
        ",\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-6,\"text_config\":null}",
        "{\"projection_dim\":6,\"vision_config\":{\"hidden_size\":9},\"vision_config_dict\":{" PART
        ",\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-6}}",
        "{\"projection_dim\":6,\"vision_config_dict\":null,\"vision_config\":{" PART
        ",\"hidden_act\":\"gelu\",\"layer_norm_eps\":1e-6}}",
    };
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    struct dkvb__clip_shape s;

    (void)state;
    write_usual_toy(WIDTH);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_config("config.json", texts[i]);
        assert_ok(shape_of(&s, NULL));
        assert_int_equal(s.heads, 4);
        assert_int_equal(s.activation, DKVB_ACTIVATION_GELU);
        assert_true(s.epsilon == 1e-6f);
    }
    o.activation = DKVB_ACTIVATION_QUICK_GELU;
    o.heads = 8;
    assert_ok(shape_of(&s, &o));
    assert_int_equal(s.heads, 8);
    assert_int_equal(s.activation, DKVB_ACTIVATION_QUICK_GELU);
}

/* An empty config means the sizes of the base model with patches of 32 x 32 pixels. */
static void an_absent_size_in_a_config_means_what_transformers_takes_it_for(void **state)
{
    struct toy toy = {{768}, {768, 3, 32, 32}, {50, 768}, {768, 768}, {3072, 768}, {512, 768}, 1};
    struct dkvb__clip_shape s;

    (void)state;
    write_toy(&toy, DKVB_LAYOUT_HUGGINGFACE);
    write_config("config.json", "{\"num_hidden_layers\":1}");
    assert_ok(shape_of(&s, NULL));
    assert_int_equal(s.heads, 12);
    assert_int_equal(s.activation, DKVB_ACTIVATION_QUICK_GELU);
    assert_true(s.epsilon == 1e-5f);
    assert_config_refused("{\"model_type\":\"clip\"}",
                          "num_hidden_layers is not given, which means 12, the tensors of");
    assert_config_refused("{\"num_hidden_layers\":1,\"vision_config\":{}}",
                          "num_hidden_layers is not given, which means 12");
    assert_config_refused("{\"num_hidden_layers\":1,\"projection_dim\":513}", "projection_dim gives 513");
}

static void a_config_of_something_else_beside_the_weights_is_passed_over(void **state)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    struct dkvb__clip_shape s;
    char path[256];

    (void)state;
    write_usual_toy(64);
    write_config("config.json", "{\"lr\":0.001,\"epochs\":3}");
    assert_ok(shape_of(&s, NULL));
    assert_true(s.guessed);
    assert_int_equal(s.activation, DKVB_ACTIVATION_QUICK_GELU);
    o.activation = DKVB_ACTIVATION_GELU;
    assert_ok(shape_of(&s, &o));
    assert_false(s.guessed);
    snprintf(path, sizeof path, "%s", temp_path("config.json"));
    o.config = path;
    assert_int_equal(shape_of(&s, &o), DKVB_EFORMAT);
    assert_message("not a config of CLIP");
}

static void a_config_that_contradicts_the_tensors_is_refused(void **state)
{
    static const char *const keys[] = {"image_size", "patch_size", "hidden_size", "num_hidden_layers",
                                       "intermediate_size"};
    static const unsigned right[] = {12, 4, 8, 2, 16};
    char text[512], part[64];

    (void)state;
    write_usual_toy(WIDTH);
    for (size_t wrong = 0; wrong < 5; wrong++) {
        int n = snprintf(text, sizeof text, "{\"projection_dim\":6,\"vision_config\":{\"num_attention_heads\":4");

        for (size_t k = 0; k < 5; k++)
            n += snprintf(text + n, sizeof text - (size_t)n, ",\"%s\":%u", keys[k], right[k] + (k == wrong));
        snprintf(text + n, sizeof text - (size_t)n, "}}");
        snprintf(part, sizeof part, "%s gives %u, the tensors of", keys[wrong], right[wrong] + 1);
        assert_config_refused(text, part);
    }
    assert_config_refused("{\"vision_config\":{" PART "}}", "projection_dim is not given, which means 512");
    assert_config_refused("{\"projection_dim\":6,\"vision_config\":{\"hidden_size\":8,\"intermediate_size\":16,"
                          "\"num_hidden_layers\":2,\"num_attention_heads\":3,\"image_size\":12,\"patch_size\":4}}",
                          "width 8 cannot be divided among 3 heads");
}

static void a_config_that_is_not_clips_is_refused(void **state)
{
    static const char *const whole[][2] = {
        {"", "the config is not JSON"},
        {"{", "the config is not JSON"},
        {"[]", "the config is a list"},
        {"{\"a\":1,\"a\":1}", "duplicate"},
        {"{\"model_type\":\"siglip\"}", "model_type is siglip; clip"},
        {"{\"model_type\":\"\\u001b[2J\"}", "model_type is ?[2J; clip"},
        {"{\"model_type\":3}", "model_type is a number"},
        {"{\"vision_config\":[]}", "vision_config is a list"},
        {"{\"vision_config_dict\":1}", "vision_config_dict is a number"},
        {"{\"hidden_size\":0}", "hidden_size is out of range"},
        {"{\"hidden_size\":-8}", "hidden_size is out of range"},
        {"{\"hidden_size\":4294967304}", "hidden_size is out of range"},
        {"{\"hidden_size\":8.0}", "hidden_size is a number, an integer"},
        {"{\"hidden_size\":null}", "hidden_size is null"},
        {"{\"hidden_size\":\"8\"}", "hidden_size is a string"},
        {"{\"hidden_act\":\"relu\"}", "hidden_act is relu; quick_gelu or gelu"},
        {"{\"hidden_act\":null}", "hidden_act is null"},
        {"{\"layer_norm_eps\":0}", "layer_norm_eps is 0, more than 0"},
        {"{\"layer_norm_eps\":-1e-5}", "layer_norm_eps is -1e-05"},
        {"{\"layer_norm_eps\":2}", "layer_norm_eps is 2"},
        {"{\"layer_norm_eps\":\"1e-5\"}", "layer_norm_eps is a string"},
        {"{\"model_cfg\":[]}", "model_cfg is a list"},
        {"{\"model_cfg\":{\"embed_dim\":6}}", "vision_cfg is nothing"},
    };

    (void)state;
    write_usual_toy(WIDTH);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_config_refused(whole[i][0], whole[i][1]);
}

#define OPENCLIP "\"image_size\":12,\"layers\":2,\"width\":8,\"patch_size\":4,\"mlp_ratio\":2.1"

static void a_config_of_openclip_is_followed(void **state)
{
    struct dkvb__clip_shape s;

    (void)state;
    write_usual_toy(WIDTH);
    write_config("open_clip_config.json", "{\"model_cfg\":{\"embed_dim\":6,\"vision_cfg\":{" OPENCLIP
                                          ",\"head_width\":2,\"patch_dropout\":0.5,\"timm_model_name\":null}}}");
    assert_ok(shape_of(&s, NULL));
    assert_int_equal(s.heads, 4);
    assert_int_equal(s.activation, DKVB_ACTIVATION_GELU);
    assert_true(s.epsilon == 1e-5f);
    write_config("open_clip_config.json",
                 "{\"model_cfg\":{\"embed_dim\":6,\"quick_gelu\":true,\"vision_cfg\":{" OPENCLIP
                 ",\"head_width\":4}}}");
    assert_ok(shape_of(&s, NULL));
    assert_int_equal(s.heads, 2);
    assert_int_equal(s.activation, DKVB_ACTIVATION_QUICK_GELU);
}

static void pictures_that_openclip_prepares_in_another_way_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"{\"mean\":[0.5,0.4578275,0.40821073]}", "preprocess_cfg has another mean than CLIP"},
        {"{\"std\":[0.26862954,0.26130258]}", "preprocess_cfg has another std than CLIP"},
        {"{\"interpolation\":\"bilinear\"}", "preprocess_cfg has interpolation bilinear, bicubic is wanted"},
        {"{\"resize_mode\":\"squash\"}", "preprocess_cfg has resize_mode squash, shortest is wanted"},
        {"{\"resize_mode\":1}", "preprocess_cfg has resize_mode a number"},
        {"3", "preprocess_cfg is a number"},
    };
    const char *model = "{\"model_cfg\":{\"embed_dim\":6,\"vision_cfg\":{" OPENCLIP ",\"head_width\":2}},"
                        "\"preprocess_cfg\":%s}";
    struct dkvb__clip_shape s;
    char text[1024];

    (void)state;
    write_usual_toy(WIDTH);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, model, cases[i][0]);
        assert_config_refused(text, cases[i][1]);
    }
    snprintf(text, sizeof text, model,
             "{\"mean\":[0.48145466,0.4578275,0.40821073],\"std\":[0.26862954,0.26130258,0.27577711],"
             "\"interpolation\":\"bicubic\",\"resize_mode\":\"shortest\",\"fill_color\":0}");
    write_config("config.json", text);
    assert_ok(shape_of(&s, NULL));
}

static void a_config_of_openclip_that_does_not_fit_is_refused(void **state)
{
    static const char *const cases[][2] = {
        {"\"embed_dim\":7,\"vision_cfg\":{" OPENCLIP "}", "embed_dim gives 7, the tensors of"},
        {"\"vision_cfg\":{" OPENCLIP "}", "model_cfg has no embed_dim"},
        {"\"embed_dim\":6,\"quick_gelu\":1,\"vision_cfg\":{" OPENCLIP "}", "quick_gelu is a number"},
        {"\"embed_dim\":6,\"vision_cfg\":{" OPENCLIP ",\"timm_model_name\":\"x\"}", "vision_cfg has timm_model_name"},
        {"\"embed_dim\":6,\"vision_cfg\":{" OPENCLIP ",\"pool_type\":\"avg\"}", "vision_cfg has pool_type"},
        {"\"embed_dim\":6,\"vision_cfg\":{\"layers\":[3,4,6,3]}", "layers is a list"},
        {"\"embed_dim\":6,\"vision_cfg\":{\"mlp_ratio\":true}", "mlp_ratio is a truth"},
        {"\"embed_dim\":6,\"vision_cfg\":{}", "image_size is not given, which means 224"},
        {"\"embed_dim\":6,\"vision_cfg\":{" OPENCLIP "}", "width 8 is no multiple of a head's"},
        {"\"embed_dim\":6,\"vision_cfg\":{" OPENCLIP ",\"head_width\":1.5}", "head_width is a number, an integer"},
    };
    char text[512];

    (void)state;
    write_usual_toy(WIDTH);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "{\"model_cfg\":{%s}}", cases[i][0]);
        assert_config_refused(text, cases[i][1]);
    }
}

static void a_config_that_is_asked_for_goes_before_those_beside_the_weights(void **state)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    struct dkvb__clip_shape s;

    (void)state;
    write_usual_toy(WIDTH);
    write_config("open_clip_config.json", "not JSON");
    write_config("config.json", "{\"projection_dim\":6," PART "}");
    assert_ok(shape_of(&s, NULL));
    write_config("config.json", "not JSON either");
    write_config("other.json", "{\"projection_dim\":6," PART "}");
    o.config = temp_path("other.json");
    assert_ok(shape_of(&s, &o));
    o.config = temp_path("missing.json");
    assert_int_equal(shape_of(&s, &o), DKVB_EIO);
    assert_message("missing.json: cannot open");
}

static void a_config_is_at_most_a_mebibyte(void **state)
{
    enum { LIMIT = 1 << 20 };
    static char text[LIMIT + 1];
    struct dkvb__clip_shape s;

    (void)state;
    write_usual_toy(WIDTH);
    memset(text, ' ', sizeof text);
    memcpy(text, "{\"projection_dim\":6," PART "}", strlen("{\"projection_dim\":6," PART "}"));
    write_file(temp_path("config.json"), text, LIMIT);
    assert_ok(shape_of(&s, NULL));
    write_file(temp_path("config.json"), text, LIMIT + 1);
    assert_shape_refused("1048577 bytes, a config has at most 1048576");
}

static void assert_toy_refused(const struct toy *toy, const char *part)
{
    write_toy(toy, DKVB_LAYOUT_HUGGINGFACE);
    assert_shape_refused(part);
}

static void tensors_that_contradict_each_other_are_refused(void **state)
{
    struct toy right = toy_of_width(64), t;
    struct tensor_file none;

    (void)state;
    t = right, t.patches[0] = 65;
    assert_toy_refused(&t, "patch_embedding.weight has width 65, 64 is wanted");
    t = right, t.patches[1] = 4;
    assert_toy_refused(&t, "patch_embedding.weight has channels: 4, 3 is wanted");
    t = right, t.patches[2] = 5;
    assert_toy_refused(&t, "patch_embedding.weight has height 5, 4 is wanted");
    t = right, t.positions[0] = 11;
    assert_toy_refused(&t, "has 11 positions, 1 and the square of 1 to 64 are wanted");
    t = right, t.positions[0] = 1;
    assert_toy_refused(&t, "has 1 positions");
    t = right, t.positions[0] = 1 + 65 * 65;
    assert_toy_refused(&t, "has 4226 positions");
    t = right, t.positions[1] = 63;
    assert_toy_refused(&t, "position_embedding.weight has width 63, 64 is wanted");
    t = right, t.attention[0] = 65;
    assert_toy_refused(&t, "layers.0.self_attn.out_proj.weight has height 65, 64 is wanted");
    t = right, t.mlp[1] = 63;
    assert_toy_refused(&t, "layers.0.mlp.fc1.weight has width 63, 64 is wanted");
    t = right, t.projection[1] = 6;
    assert_toy_refused(&t, "visual_projection.weight has width 6, 64 is wanted");
    t = right, t.projection[0] = 0;
    assert_toy_refused(&t, "visual_projection.weight has a dimension of 0");
    t = right, t.layers = 0;
    assert_toy_refused(&t, "has no tensor vision_model.encoder.layers.0.layer_norm1.weight");
    tensor_file_begin(&none);
    tensor_file_write(&none, weights_path());
    assert_shape_refused("has no tensor vision_model.embeddings.class_embedding (Hugging Face) nor visual.class_");
}

static void every_failing_allocation_is_reported_and_leaks_nothing(void **state)
{
    dkvb_encoder_options o = DKVB_ENCODER_OPTIONS_INIT;
    dkvb_allocator usual = dkvb__allocator(NULL);
    struct dkvb__safetensors *f;

    (void)state;
    write_usual_toy(WIDTH);
    write_config("config.json", "{\"projection_dim\":6," PART "}");
    assert_ok(dkvb__safetensors_open(&f, weights_path(), &usual));
    for (size_t fail_at = 0;; fail_at++) {
        struct failing_alloc failing;
        dkvb_allocator mem = failing_allocator(&failing, fail_at);
        struct dkvb__clip_shape s;
        dkvb_status rc = dkvb__clip_shape(&s, f, &o, &mem);

        assert_int_equal(failing.live, 0);
        if (rc == DKVB_OK)
            break;
        assert_int_equal(rc, DKVB_ENOMEM);
    }
    dkvb__safetensors_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(both_layouts_show_their_sizes, without_configs),
        cmocka_unit_test_setup(options_say_what_tensors_cannot, without_configs),
        cmocka_unit_test_setup(a_config_of_transformers_is_followed, without_configs),
        cmocka_unit_test_setup(an_absent_size_in_a_config_means_what_transformers_takes_it_for, without_configs),
        cmocka_unit_test_setup(a_config_of_something_else_beside_the_weights_is_passed_over, without_configs),
        cmocka_unit_test_setup(a_config_that_contradicts_the_tensors_is_refused, without_configs),
        cmocka_unit_test_setup(a_config_that_is_not_clips_is_refused, without_configs),
        cmocka_unit_test_setup(a_config_of_openclip_is_followed, without_configs),
        cmocka_unit_test_setup(pictures_that_openclip_prepares_in_another_way_are_refused, without_configs),
        cmocka_unit_test_setup(a_config_of_openclip_that_does_not_fit_is_refused, without_configs),
        cmocka_unit_test_setup(a_config_that_is_asked_for_goes_before_those_beside_the_weights, without_configs),
        cmocka_unit_test_setup(a_config_is_at_most_a_mebibyte, without_configs),
        cmocka_unit_test_setup(tensors_that_contradict_each_other_are_refused, without_configs),
        cmocka_unit_test_setup(every_failing_allocation_is_reported_and_leaks_nothing, without_configs),
    };

    return cmocka_run_group_tests_name("clip_shape", tests, NULL, NULL);
}

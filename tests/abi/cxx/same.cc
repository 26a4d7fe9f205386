// Test of dkvb.hpp: programs in C++ get the same bytes as programs in C: codes, logits, masks, model files and
// journals. Handles move and free the objects they own; an exception of a progress function reaches the caller; wrong
// shapes are refused before a C function is called.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <dkvb/dkvb.hpp>

namespace
{

constexpr std::size_t columns = 12, count = 600, classes = 4;

std::vector<float> x;
std::vector<std::int32_t> labels;
int failures = 0;

void claim(bool holds, const char *what)
{
    if (!holds) {
        std::printf("NO: %s\n", what);
        failures++;
    }
}

void must(dkvb_status status)
{
    if (status != DKVB_OK) {
        std::printf("%s\n", dkvb_last_error());
        std::exit(1);
    }
}

void make_rows()
{
    std::uint64_t state = 5;
    auto next = [](std::uint64_t &s) {
        s = s * 6364136223846793005u + 1442695040888963407u;
        return static_cast<float>(s >> 40) / 8388608.0f - 1.0f;
    };

    for (std::size_t r = 0; r < count; r++) {
        std::uint64_t centre = r % classes + 1;

        labels.push_back(static_cast<std::int32_t>(r % classes));
        for (std::size_t i = 0; i < columns; i++)
            x.push_back(next(centre) + 0.4f * (next(state) + next(state)));
    }
}

std::string bytes_of(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);

    return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

const std::uint8_t salt[32] = {1, 2, 3};

// Returns options of a fit that trains a small model quickly.
const dkvb_fit_options *small()
{
    static dkvb_settings settings = DKVB_SETTINGS_INIT;
    static dkvb_fit_options options = DKVB_FIT_OPTIONS_INIT;

    settings.keyinit.codebooks = 16;
    settings.keyinit.keys = 32;
    settings.keyinit.key_dim = 6;
    settings.top_k = 2;
    settings.whiten = DKVB_WHITEN_NEVER;
    settings.train.epochs = 2;
    settings.train.learning_rate = 3.0;
    options.settings = &settings;
    return &options;
}

dkvb_audit_options few_shadows()
{
    dkvb_audit_options options = DKVB_AUDIT_OPTIONS_INIT;

    options.shadows = 4;
    return options;
}

// Files and arrays that the C functions make from the rows.
struct by_c {
    std::vector<std::uint16_t> codes;
    std::vector<float> logits, after;
    std::vector<std::uint8_t> head;
    std::vector<double> figures;

    by_c()
    {
        dkvb_fit_rows rows = DKVB_FIT_ROWS_INIT;
        dkvb_forget_request request = DKVB_FORGET_REQUEST_INIT;
        dkvb_audit_rows audited = DKVB_AUDIT_ROWS_INIT;
        const dkvb_audit_options few = few_shadows();
        dkvb_model_info info = DKVB_MODEL_INFO_INIT;
        dkvb_plan_info found = DKVB_PLAN_INFO_INIT;
        std::uint8_t marks[classes] = {0, 0, DKVB_FORGET, 0};
        dkvb_model *model;
        dkvb_codeset *set;
        dkvb_plan *plan;
        dkvb_audit_report *report;
        std::uint64_t entry;

        rows.x = x.data();
        rows.labels = labels.data();
        rows.n = count;
        rows.dim = columns;
        must(dkvb_fit(&model, &set, &rows, small(), nullptr, nullptr));
        must(dkvb_model_get_info(model, &info));
        codes.resize(count * info.codebooks * info.top_k);
        logits.resize(count * classes);
        after.resize(count * classes);
        head.resize(32);
        must(dkvb_search(dkvb_model_codebooks(model), nullptr, x.data(), count, info.top_k, codes.data(), nullptr,
                         nullptr));
        must(dkvb_model_predict(model, x.data(), count, nullptr, logits.data(), nullptr));
        must(dkvb_codeset_save(set, "c.codes"));
        request.classes = marks;
        request.reason = "request 17";
        request.salt = salt;
        must(dkvb_forget_plan(&plan, model, set, &request, nullptr));
        must(dkvb_plan_get_info(plan, &found));
        must(dkvb_mask_save(found.mask, "c.mask"));
        must(dkvb_forget_apply(plan, model, set, &entry));
        must(dkvb_model_predict(model, x.data(), count, nullptr, after.data(), nullptr));
        dkvb_journal_head(model, head.data());
        must(dkvb_model_save(model, "c.dkvb"));
        audited.x = x.data();
        audited.labels = labels.data();
        audited.n = count;
        audited.test_x = x.data() + columns; /* test rows other than x, so that a mix-up of the two is noticed */
        audited.test_labels = labels.data() + 1;
        audited.test_n = count / 2;
        must(dkvb_audit_run(&report, model, nullptr, &audited, &few, nullptr));
        for (std::uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++)
            figures.push_back(dkvb_audit_get_figure(report, DKVB_AUDIT_MODEL, f)->value.value);
        dkvb_audit_report_free(report);
        dkvb_plan_free(plan);
        dkvb_codeset_free(set);
        dkvb_model_free(model);
    }
};

template <class T> bool same_bytes(const std::vector<T> &a, const std::vector<T> &b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

void compare(const by_c &c)
{
    const dkvb::labelled rows(x, columns, labels);
    const dkvb::labelled tests(dkvb::span<const float>(x.data() + columns, columns * (count / 2)), columns,
                               dkvb::span<const std::int32_t>(labels.data() + 1, count / 2));
    const dkvb_audit_options few = few_shadows();
    dkvb::fitted fit = dkvb::fit(rows, small());
    dkvb::request request = dkvb::request::of_classes(fit.model, {"2"});

    std::vector<std::uint64_t> numbers;
    for (std::size_t i = 0; i < count; i++)
        numbers.push_back(i);
    dkvb::labelled grouped(x, columns, labels);
    dkvb::fit(grouped.with_groups(numbers), small()).codes.save("grouped.codes");
    claim(bytes_of("grouped.codes") == bytes_of("c.codes"), "groups of one row each change nothing");
    claim(fit.model.column_names().empty(), "columns have no names");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < columns; i++)
        names.push_back("column " + std::to_string(i));
    fit.model.set_column_names(names);
    claim(fit.model.column_names() == names, "columns have the names that were set");
    fit.model.set_column_names(std::vector<std::string>());
    claim(same_bytes(fit.model.codes(x), c.codes), "codes are those of C");
    claim(fit.model.search_file(x, "cxx.codes.npy").rows == count, "a file of codes has all rows");
    claim(bytes_of("cxx.codes.npy").size() > c.codes.size() * sizeof c.codes[0], "the file has their codes");
    claim(same_bytes(fit.model.keys().search(x, fit.model.info().top_k), c.codes), "codes of the keys alone too");
    claim(same_bytes(fit.model.logits(x), c.logits), "logits are those of C");
    fit.codes.save("cxx.codes");
    claim(bytes_of("cxx.codes") == bytes_of("c.codes"), "the codeset is that of C");
    request.options.reason = "request 17";
    request.options.salt = salt;
    fit.model.forget(request, &fit.codes);
    const dkvb::mask mask = fit.model.masked(1);
    mask.save("cxx.mask");
    claim(bytes_of("cxx.mask") == bytes_of("c.mask"), "the mask is that of C");
    claim(same_bytes(fit.model.logits(x), c.after), "logits after forgetting are those of C");
    const std::array<std::uint8_t, 32> head = fit.model.journal_head();
    claim(std::memcmp(head.data(), c.head.data(), 32) == 0, "the head of the journal is that of C");
    fit.model.save("cxx.dkvb");
    claim(bytes_of("cxx.dkvb") == bytes_of("c.dkvb"), "the model file is that of C");

    std::uint64_t pairs = 0;
    std::uint32_t entries = 0;
    dkvb::mask again = fit.model.keys().empty_mask();
    for (const dkvb::mask::pair &p : mask) {
        again.set(p.codebook, p.key);
        pairs++;
    }
    claim(again == mask && pairs == mask.info().pairs, "a loop over a mask gives its pairs");
    for (const dkvb_journal_entry &e : fit.model.journal())
        claim(e.id == ++entries && std::string(e.reason) == "request 17", "a loop over the journal gives its entries");
    claim(entries == 1 && fit.model.journal().size() == 1, "the journal has one entry");

    const dkvb::audit_report report = dkvb::audit(fit.model, rows, tests, &few);
    std::vector<double> figures;
    for (std::uint32_t f = 0; f < DKVB_AUDIT_FIGURES; f++)
        figures.push_back(report.figure(DKVB_AUDIT_MODEL, f)->value.value);
    claim(same_bytes(figures, c.figures) && report->class_count == 1, "figures of the audit are those of C");

    dkvb::model loaded = dkvb::model::load("c.dkvb");
    loaded.verify();
    claim(loaded.undo() == 1 && same_bytes(loaded.logits(x), c.logits), "undo gives back the logits, bit for bit");
}

template <class Call> void throws(dkvb_status status, const char *words, Call call, const char *what)
{
    try {
        call();
        claim(false, what);
    } catch (const dkvb::error &e) {
        claim(e.status() == status && std::strstr(e.what(), words), what);
    }
}

void handles_and_errors()
{
    static_assert(!std::is_copy_constructible<dkvb::model>::value && !std::is_copy_assignable<dkvb::mask>::value,
                  "handles are not copied");
    static_assert(std::is_nothrow_move_constructible<dkvb::model>::value, "handles move");
    dkvb::model model = dkvb::fit_without_codes(dkvb::labelled(x, columns, labels), small());
    dkvb::model moved = std::move(model);

    claim(!model && moved, "a move leaves an empty handle"); // NOLINT: looked at on purpose
    throws(
        DKVB_EIO, "nowhere.dkvb", [] { dkvb::model::load("nowhere.dkvb"); }, "a missing file throws, named");
    throws(
        DKVB_EINVAL, "no whole rows", [&] { moved.predict(dkvb::span<const float>(x.data(), columns + 1)); },
        "numbers that are no whole rows are refused");
    throws(
        DKVB_EINVAL, "labels", [&] { dkvb::labelled(x, columns, dkvb::span<const std::int32_t>(labels.data(), 3)); },
        "labels of other rows are refused");
    throws(
        DKVB_ENOTFOUND, "fish", [&] { dkvb::request::of_classes(moved, {"fish"}); }, "an unknown class throws");
    throws(
        DKVB_ENOTFOUND, "", [&] { moved.journal()[0]; }, "an entry past the end throws");

    dkvb::run cancelled(1), throwing;
    cancelled.progress = [](std::uint64_t, std::uint64_t) { return false; };
    throws(
        DKVB_ECANCELLED, "", [&] { dkvb::fit(dkvb::labelled(x, columns, labels), small(), cancelled); },
        "false of a progress function cancels");
    throwing.progress = [](std::uint64_t, std::uint64_t) -> bool { throw std::logic_error("enough"); };
    try {
        dkvb::fit(dkvb::labelled(x, columns, labels), small(), throwing);
        claim(false, "an exception of a progress function arrives");
    } catch (const std::logic_error &e) {
        claim(std::string(e.what()) == "enough", "an exception of a progress function arrives");
    }

    std::ofstream("table.csv") << "b,kind,a\n1,dog,2\n3,cat,4\n";
    dkvb::table::columns which;
    which.label = "kind";
    which.features = {"a", "b"};
    const dkvb::table rows = dkvb::table::read("table.csv", which);
    claim(std::vector<float>(rows.floats().begin(), rows.floats().end()) == std::vector<float>{2, 1, 4, 3} &&
              rows.labels().size() == 2 && rows.labels()[0] == 1 &&
              rows.label_names() == std::vector<std::string>{"cat", "dog"} && rows.column_names() == which.features,
          "a table gives its columns in the order that was asked for, and its labels by name");
    which.features = {"c"};
    throws(
        DKVB_EMISMATCH, "no column is called 'c'", [&] { dkvb::table::read("table.csv", which); },
        "a column that is missing throws with its name");

    std::vector<std::int32_t> given(count);
    moved.predict(x, given);
    claim(given == moved.predict(x), "answers to memory of the caller are the same");
    moved.save("live.dkvb");
    const dkvb::live_model live = dkvb::live_model::open("live.dkvb");
    claim(live.acquire().predict(x) == given && live.taken() == 0, "a live model answers as the model of its file");
    {
        const dkvb::live_model::use before = live.acquire();
        moved.save("live.dkvb");
        const dkvb::live_model::use after = live.acquire();
        claim(live.taken() == 1 && before.get() != after.get() && before.predict(x) == after.predict(x),
              "a replaced file is taken up, and a use keeps its model");
    }
    std::remove("live.dkvb");
    throws(
        DKVB_EIO, "live.dkvb", [&] { live.acquire(); }, "a model file that is gone throws");
    const std::vector<float> probabilities = moved.probabilities(x);
    float sum = 0;
    for (std::size_t i = 0; i < classes; i++)
        sum += probabilities[i];
    claim(sum > 0.999f && sum < 1.001f, "probabilities of a row add up to 1");
}

} // namespace

int main()
{
    make_rows();
    try {
        compare(by_c());
        handles_and_errors();
    } catch (const std::exception &e) {
        std::printf("NO: %s\n", e.what());
        return 1;
    }
    std::printf("%d claims failed\n", failures);
    return failures != 0;
}

// Example of the library in C++: trains a model, forgets a class, prints the journal, undoes the forgetting, and
// forgets rows exactly.
//
// A C++ program frees no object of the library by hand and checks no status: handles free their objects, and a call
// that fails throws an exception. The rows are synthetic: three classes, each a cloud around its own centre.
#include <cstdint>
#include <exception>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <vector>

#include <dkvb/dkvb.hpp>

namespace
{

constexpr std::size_t columns = 16, count = 900, classes = 3;

struct data {
    std::vector<float> x;             // [count][columns]
    std::vector<std::int32_t> labels; // [count]
};

float uniform(std::uint64_t &state) // a pseudo-random number in [-1, 1)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(state >> 40) / 8388608.0f - 1.0f;
}

data make_rows(std::uint64_t seed)
{
    data rows;

    for (std::size_t r = 0; r < count; r++) {
        std::uint64_t centre = r % classes + 1;

        rows.labels.push_back(static_cast<std::int32_t>(r % classes));
        for (std::size_t i = 0; i < columns; i++)
            rows.x.push_back(uniform(centre) + 0.4f * (uniform(seed) + uniform(seed)));
    }
    return rows;
}

void claim(bool holds, const char *what)
{
    std::cout << (holds ? "yes: " : "NO: ") << what << "\n";
    if (!holds)
        throw std::runtime_error(what);
}

// Returns the model's accuracy on the rows of one class.
double accuracy(const dkvb::model &model, const data &rows, std::size_t label)
{
    const dkvb::evaluation found = model.evaluate(rows.x, rows.labels);

    return static_cast<double>(found.class_right[label]) / static_cast<double>(found.class_rows[label]);
}

void forget_a_class(dkvb::fitted &fit, const data &test)
{
    const std::vector<float> before = fit.model.logits(test.x);
    dkvb::request request = dkvb::request::of_classes(fit.model, {"bird"});

    request.options.reason = "request 17";
    const dkvb::plan plan = fit.model.plan(request, &fit.codes);
    std::cout << plan.info().pairs << " of " << plan.info().pairs_total << " pairs would be masked\n";

    const std::uint64_t entry = fit.model.forget(request, &fit.codes);
    claim(accuracy(fit.model, test, 2) < 0.1, "the model does not answer 'bird' any more");
    claim(accuracy(fit.model, test, 0) > 0.9, "the model still knows 'cat'");

    for (const dkvb_journal_entry &e : fit.model.journal())
        std::cout << "entry " << e.id << ": " << dkvb_name(DKVB_NAME_ENTRY_KIND, e.kind) << ", " << e.pairs
                  << " pairs, " << e.reason << "\n";

    fit.model.undo(entry);
    claim(fit.model.logits(test.x) == before, "after undo every logit is as before, bit for bit");
}

// A mask only suppresses a class; training the values again without the class's rows deletes what the rows taught.
void forget_rows(dkvb::fitted &fit)
{
    const std::vector<std::uint64_t> gone = {3, 141, 592};
    dkvb::request request = dkvb::request::of_rows(gone);

    request.options.strength = DKVB_STRENGTH_EXACT;
    request.options.keys = DKVB_KEYS_KEPT;
    const std::uint64_t entry = fit.model.forget(request, &fit.codes);
    claim(dkvb_journal_names_rows(fit.model.get(), entry, gone.data(), gone.size()) == 1,
          "the journal commits to these rows");
    try {
        fit.codes.remove(gone);
        claim(false, "the codes of the rows are gone");
    } catch (const dkvb::error &e) {
        claim(e.status() == DKVB_ENOTFOUND, "the codes of the rows are gone");
    }
}

} // namespace

int main()
{
    try {
        const data train = make_rows(1), test = make_rows(2);
        dkvb::fitted fit = dkvb::fit(dkvb::labelled(train.x, columns, train.labels));
        const char *const names[] = {"cat", "dog", "bird"};

        for (std::uint32_t label = 0; label < classes; label++)
            fit.model.set_class_name(label, names[label]);
        std::cout << std::setprecision(3) << "accuracy " << fit.model.evaluate(test.x, test.labels).accuracy << "\n";
        forget_a_class(fit, test);
        forget_rows(fit);
    } catch (const std::exception &e) {
        std::cerr << e.what() << "\n";
        return 1;
    }
    return 0;
}

/**
 * libdkvb for C++11 and later: handles that free themselves, exceptions, spans, loops over the journal.
 *
 *     dkvb::labelled rows(x, columns, y);                                   // spans: nothing is copied
 *     dkvb::fitted fit = dkvb::fit(rows);                                   // a model and its codeset
 *     dkvb::request bird = dkvb::request::of_classes(fit.model, {"bird"});
 *     fit.model.forget(bird, &fit.codes);                                   // planned, measured, done, or refused
 *     for (const dkvb_journal_entry &entry : fit.model.journal())
 *         std::cout << entry.id << ": " << entry.reason << "\n";
 *
 * This header is all there is: it calls the C functions of libdkvb, so answers, files and journals are the same bits.
 * The structs of the C headers stay in use for options and reports; each starts from its INIT macro.
 *
 * Errors are thrown as dkvb::error. A call that throws has changed nothing. Moves leave an empty handle, which can be
 * assigned to or destroyed and nothing else. Threads: as in C, many readers of one object or a single writer.
 *
 * A span is a std::span from C++20 on. Before, dkvb::span holds a pointer and a size, and is made from both, from a
 * std::vector or from a std::array.
 */
#ifndef DKVB_HPP
#define DKVB_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if __cplusplus >= 202002L
#include <span>
#endif

#include "dkvb.h"

namespace dkvb
{

#if __cplusplus >= 202002L
template <class T> using span = std::span<T>;
#else
/** A pointer and a number of elements, which somebody else owns. */
template <class T> class span
{
  public:
    span() noexcept : data_(nullptr), size_(0)
    {
    }
    span(T *data, std::size_t size) noexcept : data_(data), size_(size)
    {
    }
    /** All of a container with data() and size(): std::vector, std::array, std::string. */
    template <class Container, class = decltype(static_cast<T *>(std::declval<Container &>().data()),
                                                std::declval<Container &>().size())>
    span(Container &all) noexcept : data_(all.data()), size_(all.size())
    {
    }
    template <class Container, class = decltype(static_cast<T *>(std::declval<const Container &>().data()),
                                                std::declval<const Container &>().size())>
    span(const Container &all) noexcept : data_(all.data()), size_(all.size())
    {
    }

    T *data() const noexcept
    {
        return data_;
    }
    std::size_t size() const noexcept
    {
        return size_;
    }
    bool empty() const noexcept
    {
        return size_ == 0;
    }
    T *begin() const noexcept
    {
        return data_;
    }
    T *end() const noexcept
    {
        return data_ + size_;
    }
    T &operator[](std::size_t i) const
    {
        return data_[i];
    }

  private:
    T *data_;
    std::size_t size_;
};
#endif

/** A call failed: what() is the sentence of dkvb_last_error(), status() the code for a program. */
class error : public std::runtime_error
{
  public:
    error(dkvb_status status, const std::string &what) : std::runtime_error(what), status_(status)
    {
    }

    dkvb_status status() const noexcept
    {
        return status_;
    }
    /** The name of the status, such as "DKVB_EINVAL". */
    const char *name() const noexcept
    {
        return dkvb_name(DKVB_NAME_STATUS, status_);
    }

  private:
    dkvb_status status_;
};

/** The outcome of a C function: a failure is thrown as dkvb::error. */
inline void check(dkvb_status status)
{
    if (status != DKVB_OK)
        throw error(status, dkvb_last_error());
}

/** How long calls run. The default uses as many threads as OpenMP would, and reports nothing. */
struct run {
    /** Threads, the caller included; 0: as many as OpenMP would use. Results never depend on it. */
    std::uint32_t threads;
    /** The function is called now and then with units done and all units. False cancels the call, which then throws
     * `DKVB_ECANCELLED`. An exception cancels too, and leaves the call in the place of that error. */
    std::function<bool(std::uint64_t done, std::uint64_t total)> progress;
    /** The counter of rows outside the scale of the keys (search.h); or NULL. */
    dkvb_outside *outside;

    explicit run(std::uint32_t count = 0) : threads(count), progress(), outside(nullptr)
    {
    }
};

namespace detail
{

/** The run options of one call. C code must not be left by an exception, so progress() keeps it until check(). */
class running
{
  public:
    explicit running(const run &how) : how_(how), options_(DKVB_RUN_OPTIONS_INIT), thrown_()
    {
        options_.threads = how.threads;
        options_.outside = how.outside;
        if (how.progress) {
            options_.progress = progress;
            options_.user = this;
        }
    }
    running(const running &) = delete;
    running &operator=(const running &) = delete;

    operator const dkvb_run_options *() const noexcept
    {
        return &options_;
    }

    /* Called when the objects that C made have owners: an exception may come although the call succeeded. */
    void check(dkvb_status status) const
    {
        if (thrown_)
            std::rethrow_exception(thrown_);
        dkvb::check(status);
    }

  private:
    static int progress(void *user, std::uint64_t done, std::uint64_t total)
    {
        running *self = static_cast<running *>(user);

        try {
            return self->how_.progress(done, total) ? 0 : 1;
        } catch (...) {
            self->thrown_ = std::current_exception();
            return 1;
        }
    }

    const run &how_;
    dkvb_run_options options_;
    std::exception_ptr thrown_;
};

/** Rows in `size` numbers of rows of `columns` numbers each. */
inline std::size_t rows_in(std::size_t size, std::size_t columns, const char *what)
{
    if (columns == 0 || size % columns != 0)
        throw error(DKVB_EINVAL, std::string(what) + ": " + std::to_string(size) + " numbers are no whole rows of " +
                                     std::to_string(columns) + " columns");
    return size / columns;
}

inline void same_size(std::size_t found, std::size_t expected, const char *what)
{
    if (found != expected)
        throw error(DKVB_EINVAL,
                    std::string(what) + ": " + std::to_string(found) + " instead of " + std::to_string(expected));
}

/** A handle owns one C object: it moves, is never copied, and frees the object at its end. */
template <class T, void (*Free)(T *)> class handle
{
  public:
    /** The C object, tied to this handle. */
    T *get() const noexcept
    {
        return owner_.get();
    }
    /** The C object, which the caller frees from now on. */
    T *release() noexcept
    {
        return owner_.release();
    }
    explicit operator bool() const noexcept
    {
        return get() != nullptr;
    }

  protected:
    explicit handle(T *object) noexcept : owner_(object)
    {
    }

  private:
    struct deleter {
        void operator()(T *object) const noexcept
        {
            Free(object);
        }
    };
    std::unique_ptr<T, deleter> owner_;
};

} // namespace detail

/** Features or labels of a file (data.h), in memory of the library. */
class array
{
  public:
    /** Rows of `float`: `.npy` or IDX, plain or gzip. `how` is 0, or DKVB_READ_… of data.h. */
    static array features(const std::string &path, std::uint32_t how = 0)
    {
        array out;

        check(dkvb_features_read(out.raw_.get(), path.c_str(), how, nullptr));
        return out;
    }
    /** Labels as `int32_t`. */
    static array labels(const std::string &path)
    {
        array out;

        check(dkvb_labels_read(out.raw_.get(), path.c_str(), nullptr));
        return out;
    }

    std::size_t rows() const noexcept
    {
        return raw_->ndim == 0 ? 1 : static_cast<std::size_t>(raw_->shape[0]);
    }
    std::size_t columns() const noexcept
    {
        std::size_t all = 1;

        for (std::uint32_t i = 1; i < raw_->ndim; i++)
            all *= static_cast<std::size_t>(raw_->shape[i]);
        return all;
    }
    /** The numbers of features(). */
    span<const float> floats() const
    {
        return span<const float>(as<float>(DKVB_DTYPE_F32), rows() * columns());
    }
    /** The numbers of labels(). */
    span<const std::int32_t> ints() const
    {
        return span<const std::int32_t>(as<std::int32_t>(DKVB_DTYPE_I32), rows() * columns());
    }
    const dkvb_array &raw() const noexcept
    {
        return *raw_;
    }

  private:
    struct deleter {
        void operator()(dkvb_array *a) const noexcept
        {
            dkvb_array_free(a);
            delete a;
        }
    };
    array() : raw_(new dkvb_array(DKVB_ARRAY_INIT))
    {
    }

    template <class T> const T *as(std::uint32_t dtype) const
    {
        if (raw_->dtype != dtype)
            throw error(DKVB_EINVAL, std::string("the array holds ") + dkvb_name(DKVB_NAME_DTYPE, raw_->dtype) +
                                         ", not " + dkvb_name(DKVB_NAME_DTYPE, dtype));
        return static_cast<const T *>(raw_->data);
    }

    std::unique_ptr<dkvb_array, deleter> raw_;
};

/** A table of any kind that the library reads (table.h): rows, and the labels, ids and names that it holds. */
class table : public detail::handle<dkvb_table, dkvb_table_free>
{
  public:
    /** Which columns are what; the members of dkvb_table_options, and strings instead of pointers. */
    struct columns {
        std::string label, id, group;      /**< columns that are no features; "": none */
        std::string only_group;            /**< the group whose rows are kept; "": all rows */
        std::vector<std::string> features; /**< features in this order, such as those of a model; none: all others */
        std::vector<std::string> names;    /**< names that labels 0, 1, … have already */
    };

    static table read(const std::string &path, const columns &which = columns(), const run &how = run())
    {
        dkvb_table_options o = DKVB_TABLE_OPTIONS_INIT;
        const std::vector<const char *> features = pointers(which.features), names = pointers(which.names);
        const detail::running running(how);
        dkvb_table *out = nullptr;

        o.label_column = or_null(which.label);
        o.id_column = or_null(which.id);
        o.group_column = or_null(which.group);
        o.group = or_null(which.only_group);
        o.columns = features.empty() ? nullptr : features.data();
        o.column_count = features.size();
        o.label_names = names.empty() ? nullptr : names.data();
        o.label_name_count = names.size();
        const dkvb_status status = dkvb_table_read(&out, path.c_str(), &o, running);
        table owner(out);
        running.check(status);
        return owner;
    }

    /** Everything that the table holds. Pointers are tied to the table. */
    dkvb_table_info info() const
    {
        dkvb_table_info out = DKVB_TABLE_INFO_INIT;

        check(dkvb_table_get_info(get(), &out));
        return out;
    }
    /** Features, row by row. */
    span<const float> floats() const
    {
        const dkvb_table_info i = info();

        return span<const float>(i.x, static_cast<std::size_t>(i.rows * i.columns));
    }
    /** Labels, -1 for none; empty where no column has labels. */
    span<const std::int32_t> labels() const
    {
        const dkvb_table_info i = info();

        return span<const std::int32_t>(i.labels, i.labels ? static_cast<std::size_t>(i.rows) : 0);
    }
    std::vector<std::string> column_names() const
    {
        const dkvb_table_info i = info();

        return strings(i.column_names, i.columns);
    }
    std::vector<std::string> label_names() const
    {
        const dkvb_table_info i = info();

        return strings(i.label_names, i.label_count);
    }

  private:
    explicit table(dkvb_table *object) noexcept : handle(object)
    {
    }

    static const char *or_null(const std::string &text) noexcept
    {
        return text.empty() ? nullptr : text.c_str();
    }
    static std::vector<const char *> pointers(const std::vector<std::string> &texts)
    {
        std::vector<const char *> out;

        for (const std::string &text : texts)
            out.push_back(text.c_str());
        return out;
    }
    static std::vector<std::string> strings(const char *const *texts, std::uint64_t count)
    {
        return texts ? std::vector<std::string>(texts, texts + count) : std::vector<std::string>();
    }
};

/** A set of (codebook, key) pairs (mask.h). A loop over it gives the pairs in ascending order. */
class mask : public detail::handle<dkvb_mask, dkvb_mask_free>
{
  public:
    struct pair {
        std::uint32_t codebook;
        std::uint32_t key;
    };

    class iterator
    {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = pair;
        using difference_type = std::ptrdiff_t;
        using pointer = const pair *;
        using reference = pair;

        iterator() noexcept : mask_(nullptr), keys_(1), at_(0)
        {
        }
        iterator(const dkvb_mask *of, std::uint32_t keys) noexcept : mask_(of), keys_(keys), at_(0)
        {
            find(0);
        }

        pair operator*() const noexcept
        {
            return pair{static_cast<std::uint32_t>(at_ / keys_), static_cast<std::uint32_t>(at_ % keys_)};
        }
        iterator &operator++() noexcept
        {
            find(at_ + 1);
            return *this;
        }
        iterator operator++(int) noexcept
        {
            iterator before = *this;

            ++*this;
            return before;
        }
        bool operator==(const iterator &other) const noexcept
        {
            return mask_ == other.mask_ && at_ == other.at_;
        }
        bool operator!=(const iterator &other) const noexcept
        {
            return !(*this == other);
        }

      private:
        void find(std::uint64_t from) noexcept
        {
            if (!dkvb_mask_next(mask_, from, &at_)) {
                mask_ = nullptr; /* as end() is */
                at_ = 0;
            }
        }

        const dkvb_mask *mask_;
        std::uint32_t keys_;
        std::uint64_t at_; /* codebook * keys + key */
    };

    /** The handle owns a C object from now on. */
    explicit mask(dkvb_mask *object) noexcept : handle(object)
    {
    }

    static mask load(const std::string &path)
    {
        dkvb_mask *out = nullptr;

        check(dkvb_mask_load(&out, path.c_str(), nullptr));
        return mask(out);
    }

    void save(const std::string &path) const
    {
        check(dkvb_mask_save(get(), path.c_str()));
    }
    mask copy() const
    {
        dkvb_mask *out = nullptr;

        check(dkvb_mask_copy(&out, get()));
        return mask(out);
    }
    dkvb_mask_info info() const
    {
        dkvb_mask_info out = DKVB_MASK_INFO_INIT;

        check(dkvb_mask_get_info(get(), &out));
        return out;
    }
    void set(std::uint32_t codebook, std::uint32_t key, bool on = true)
    {
        check(dkvb_mask_set(get(), codebook, key, on));
    }
    /** `how` is DKVB_MASK_UNION, _INTERSECTION or _DIFFERENCE. */
    void combine(const mask &other, std::uint32_t how)
    {
        check(dkvb_mask_combine(get(), other.get(), how));
    }

    iterator begin() const
    {
        return iterator(get(), info().keys);
    }
    iterator end() const noexcept
    {
        return iterator();
    }

    friend bool operator==(const mask &a, const mask &b) noexcept
    {
        return dkvb_mask_equal(a.get(), b.get()) != 0;
    }
    friend bool operator!=(const mask &a, const mask &b) noexcept
    {
        return !(a == b);
    }
};

/** Keys of all codebooks (codebooks.h). Models share them: each model that is made of them is one more owner. */
class codebooks : public detail::handle<dkvb_codebooks, dkvb_codebooks_free>
{
  public:
    /** The handle owns a C object from now on. */
    explicit codebooks(dkvb_codebooks *object) noexcept : handle(object)
    {
    }

    /** Places keys on rows of `columns` numbers each. `options` NULL: the defaults. */
    static codebooks fit(span<const float> x, std::size_t columns, const dkvb_keyinit_options *options = nullptr,
                         const run &how = run())
    {
        dkvb_codebooks *out = nullptr;
        detail::running running(how);

        const dkvb_status status =
            dkvb_codebooks_fit(&out, x.data(), detail::rows_in(x.size(), columns, "x"), columns, options, running);
        codebooks made(out);
        running.check(status);
        return made;
    }

    dkvb_codebooks_info info() const
    {
        dkvb_codebooks_info out = DKVB_CODEBOOKS_INFO_INIT;

        check(dkvb_codebooks_get_info(get(), &out));
        return out;
    }
    /** Codes of rows, `uint16_t[n][codebooks][k]`, nearest key first. `masked` NULL: no pair is left out. */
    std::vector<std::uint16_t> search(span<const float> x, std::uint32_t k = 1, const mask *masked = nullptr,
                                      const run &how = run()) const
    {
        const dkvb_codebooks_info found = info();
        const std::size_t n = detail::rows_in(x.size(), found.input_dim, "x");
        std::vector<std::uint16_t> codes(n * found.codebooks * k);
        detail::running running(how);

        running.check(
            dkvb_search(get(), masked ? masked->get() : nullptr, x.data(), n, k, codes.data(), nullptr, running));
        return codes;
    }
    /** One more owner of the same keys. */
    codebooks share() const noexcept
    {
        return codebooks(dkvb_codebooks_retain(get()));
    }
    /** An empty mask of these codebooks. */
    mask empty_mask() const
    {
        dkvb_mask *out = nullptr;

        check(dkvb_mask_new(&out, get()));
        return mask(out);
    }
};

/** Codes, ids and labels of the rows that a model was trained on (codeset.h). */
class codeset : public detail::handle<dkvb_codeset, dkvb_codeset_free>
{
  public:
    /** The handle owns a C object from now on. */
    explicit codeset(dkvb_codeset *object) noexcept : handle(object)
    {
    }

    static codeset load(const std::string &path)
    {
        dkvb_codeset *out = nullptr;

        check(dkvb_codeset_load(&out, path.c_str(), nullptr, nullptr));
        return codeset(out);
    }
    void save(const std::string &path) const
    {
        check(dkvb_codeset_save(get(), path.c_str()));
    }

    dkvb_codeset_info info() const
    {
        dkvb_codeset_info out = DKVB_CODESET_INFO_INIT;

        check(dkvb_codeset_get_info(get(), &out));
        return out;
    }
    /** The rows of DKVB_PART_TRAINING or DKVB_PART_HELD_OUT. Pointers are tied to the codeset, until it changes. */
    dkvb_codeset_rows rows(std::uint32_t part) const
    {
        dkvb_codeset_rows out = DKVB_CODESET_ROWS_INIT;

        check(dkvb_codeset_get_rows(get(), part, &out));
        return out;
    }
    /** Rows are taken out. Returns how many were there. */
    std::uint64_t remove(span<const std::uint64_t> ids)
    {
        std::uint64_t removed = 0;

        check(dkvb_codeset_remove(get(), ids.data(), ids.size(), &removed));
        return removed;
    }
};

/** The entries of a journal, oldest first. Texts are tied to the model, until it changes. */
class journal_view
{
  public:
    class iterator
    {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = dkvb_journal_entry;
        using difference_type = std::ptrdiff_t;
        using pointer = const dkvb_journal_entry *;
        using reference = dkvb_journal_entry;

        iterator() noexcept : model_(nullptr), at_(0)
        {
        }
        iterator(const dkvb_model *of, std::uint64_t at) noexcept : model_(of), at_(at)
        {
        }

        dkvb_journal_entry operator*() const
        {
            dkvb_journal_entry out = DKVB_JOURNAL_ENTRY_INIT;

            check(dkvb_journal_get(model_, at_, &out));
            return out;
        }
        iterator &operator++() noexcept
        {
            at_++;
            return *this;
        }
        iterator operator++(int) noexcept
        {
            iterator before = *this;

            ++*this;
            return before;
        }
        bool operator==(const iterator &other) const noexcept
        {
            return at_ == other.at_;
        }
        bool operator!=(const iterator &other) const noexcept
        {
            return at_ != other.at_;
        }

      private:
        const dkvb_model *model_;
        std::uint64_t at_;
    };

    journal_view(const dkvb_model *of, std::uint64_t size) noexcept : model_(of), size_(size)
    {
    }

    std::uint64_t size() const noexcept
    {
        return size_;
    }
    bool empty() const noexcept
    {
        return size_ == 0;
    }
    iterator begin() const noexcept
    {
        return iterator(model_, 0);
    }
    iterator end() const noexcept
    {
        return iterator(model_, size_);
    }
    /** The entry at `index`, from 0; throws `DKVB_ENOTFOUND` past the end. */
    dkvb_journal_entry operator[](std::uint64_t index) const
    {
        return *iterator(model_, index);
    }

  private:
    const dkvb_model *model_;
    std::uint64_t size_;
};

class model;

/** A request names who is to be forgotten. Everything else is in `options`: strength, budget, target, limits, reason
 * (plan.h). */
class request
{
  public:
    /** All rows of these classes, by name or index. */
    static request of_classes(const model &of, std::initializer_list<const char *> words);
    /** Rows of a codeset, by their ids, which are copied. */
    static request of_rows(span<const std::uint64_t> ids)
    {
        request out;

        out.ids_.assign(ids.data(), ids.data() + ids.size());
        return out;
    }
    /** Rows by what `options` is set to by the caller: codes, a mask, a text of requests. */
    static request of_options(const dkvb_forget_request &options)
    {
        request out;

        out.options = options;
        return out;
    }

    dkvb_forget_request options;

    /** The request for C, tied to this object. */
    dkvb_forget_request raw() const noexcept
    {
        dkvb_forget_request out = options;

        if (!marks_.empty())
            out.classes = marks_.data();
        if (!ids_.empty()) {
            out.ids = ids_.data();
            out.id_count = ids_.size();
        }
        return out;
    }

  private:
    request() : options(DKVB_FORGET_REQUEST_INIT), marks_(), ids_()
    {
    }

    std::vector<std::uint8_t> marks_; /* of each class, DKVB_FORGET or DKVB_KEEP */
    std::vector<std::uint64_t> ids_;
};

/** A plan says what a request would do, and whether it should be done (plan.h). */
class plan : public detail::handle<dkvb_plan, dkvb_plan_free>
{
  public:
    /** The handle owns a C object from now on. */
    explicit plan(dkvb_plan *object) noexcept : handle(object)
    {
    }

    static plan load(const std::string &path)
    {
        dkvb_plan *out = nullptr;

        check(dkvb_plan_load(&out, path.c_str(), nullptr));
        return plan(out);
    }
    void save(const std::string &path) const
    {
        check(dkvb_plan_save(get(), path.c_str()));
    }

    /** Everything that was found. Pointers are tied to the plan. */
    dkvb_plan_info info() const
    {
        dkvb_plan_info out = DKVB_PLAN_INFO_INIT;

        check(dkvb_plan_get_info(get(), &out));
        return out;
    }
    /** Does what was planned, and returns the number of the journal entry. Throws `DKVB_EREFUSED` with the reason where
     * the plan is refused. `codes` is needed for the strength exact. */
    inline std::uint64_t apply(model &to, codeset *codes = nullptr);
};

/** Answers of a model on labelled rows. */
struct evaluation {
    double accuracy;                        /**< share of rows answered rightly; NaN without rows */
    double loss;                            /**< mean cross-entropy, nats; NaN without rows */
    double calibration_error;               /**< expected calibration error in 15 bins */
    std::uint64_t abstained;                /**< rows without an answer, which count as wrong */
    std::vector<std::uint64_t> class_rows;  /**< `[classes]`, rows of each class */
    std::vector<std::uint64_t> class_right; /**< `[classes]`, those of them answered rightly */
};

/** A classifier that can forget (model.h, unlearn.h). */
class model : public detail::handle<dkvb_model, dkvb_model_free>
{
  public:
    /** The handle owns a C object from now on. */
    explicit model(dkvb_model *object) noexcept : handle(object)
    {
    }

    /** An untrained model of shared codebooks. */
    static model create(const codebooks &keys, std::uint32_t classes, const dkvb_model_options *options = nullptr)
    {
        dkvb_model *out = nullptr;

        check(dkvb_model_new(&out, keys.get(), classes, options));
        return model(out);
    }
    /** `options` with `in_place` set maps the file, for a model that only answers. */
    static model load(const std::string &path, const dkvb_model_options *options = nullptr)
    {
        dkvb_model *out = nullptr;

        check(dkvb_model_load(&out, path.c_str(), options));
        return model(out);
    }
    /** The file is written whole or not at all. */
    void save(const std::string &path) const
    {
        check(dkvb_model_save(get(), path.c_str()));
    }
    /** Both files are on disk before one of them gets its name. */
    void save_with(const std::string &path, const codeset &set, const std::string &codes_path) const
    {
        check(dkvb_model_save_with(get(), path.c_str(), set.get(), codes_path.c_str()));
    }
    /** Every byte is checked: a wrong checksum, number or journal throws. */
    void verify() const
    {
        check(dkvb_model_verify(get()));
    }

    dkvb_model_info info() const
    {
        dkvb_model_info out = DKVB_MODEL_INFO_INIT;

        check(dkvb_model_get_info(get(), &out));
        return out;
    }
    std::uint32_t classes() const
    {
        return info().classes;
    }
    /** The keys of this model, which the result owns too. */
    codebooks keys() const noexcept
    {
        return codebooks(dkvb_codebooks_retain(dkvb_model_codebooks(get())));
    }
    /** The name of a class, "" if it has none. */
    std::string class_name(std::uint32_t label) const
    {
        const char *name = dkvb_model_class_name(get(), label);

        return name ? name : "";
    }
    void set_class_name(std::uint32_t label, const std::string &name)
    {
        check(dkvb_model_set_class_name(get(), label, name.c_str()));
    }
    /** Names of all columns of a row; empty if the columns have no names. */
    std::vector<std::string> column_names() const
    {
        std::vector<std::string> out;
        const std::uint32_t columns = info().input_dim;

        for (std::uint32_t i = 0; i < columns; i++) {
            const char *name = dkvb_model_column_name(get(), i);

            if (name)
                out.push_back(name);
        }
        return out;
    }
    /** Names all columns of a row; no names at all remove those that are there. */
    void set_column_names(const std::vector<std::string> &names)
    {
        std::vector<const char *> texts;

        for (const std::string &name : names)
            texts.push_back(name.c_str());
        check(dkvb_model_set_column_names(get(), texts.data(), texts.size()));
    }
    /** The class that a name or an index means. */
    std::uint32_t find_class(const std::string &word) const
    {
        std::uint32_t label = 0;

        check(dkvb_model_find_class(get(), word.c_str(), DKVB_FIND_NAME_OR_INDEX, &label));
        return label;
    }

    /** Trains values on codes, `uint16_t[n][codebooks][k]`, and labels, `int32_t[n]`, -1 = ignore. */
    void train(span<const std::uint16_t> codes, std::uint32_t k, span<const std::int32_t> labels,
               const dkvb_train_options *options = nullptr, const run &how = run())
    {
        detail::running running(how);

        detail::same_size(codes.size(), labels.size() * info().codebooks * k, "codes");
        running.check(dkvb_model_train(get(), codes.data(), k, labels.data(), labels.size(), options, running));
    }

    /** The class of each row, -1 where nothing was learned behind it. */
    std::vector<std::int32_t> predict(span<const float> x, const run &how = run()) const
    {
        const std::size_t n = detail::rows_in(x.size(), info().input_dim, "x");
        std::vector<std::int32_t> labels(n);
        detail::running running(how);

        running.check(dkvb_model_predict(get(), x.data(), n, labels.data(), nullptr, running));
        return labels;
    }
    /** The class of each row, to memory of the caller: allocates nothing of its own. */
    void predict(span<const float> x, span<std::int32_t> labels, const run &how = run()) const
    {
        const std::size_t n = detail::rows_in(x.size(), info().input_dim, "x");
        detail::running running(how);

        detail::same_size(labels.size(), n, "labels");
        running.check(dkvb_model_predict(get(), x.data(), n, labels.data(), nullptr, running));
    }
    /** `float[n][classes]`, not divided by a temperature. */
    std::vector<float> logits(span<const float> x, const run &how = run()) const
    {
        const dkvb_model_info found = info();
        const std::size_t n = detail::rows_in(x.size(), found.input_dim, "x");
        std::vector<float> out(n * found.classes);
        detail::running running(how);

        running.check(dkvb_model_predict(get(), x.data(), n, nullptr, out.data(), running));
        return out;
    }
    /** `float[n][classes]`: softmax of the logits at the temperature of the model. */
    std::vector<float> probabilities(span<const float> x, const run &how = run()) const
    {
        const dkvb_model_info found = info();
        std::vector<float> out = logits(x, how);

        if (!out.empty())
            check(dkvb_decode_softmax(out.data(), out.size() / found.classes, found.classes, found.temperature,
                                      found.temperature_power, out.data()));
        return out;
    }
    /** Codes of rows under the mask in force, `uint16_t[n][codebooks][top_k]`. */
    std::vector<std::uint16_t> codes(span<const float> x, const run &how = run()) const
    {
        const dkvb_model_info found = info();
        const std::size_t n = detail::rows_in(x.size(), found.input_dim, "x");
        const mask forgotten = masked();
        std::vector<std::uint16_t> out(n * found.codebooks * found.top_k);
        detail::running running(how);

        running.check(dkvb_search(dkvb_model_codebooks(get()), forgotten.get(), x.data(), n, found.top_k, out.data(),
                                  nullptr, running));
        return out;
    }
    /** Labels of -1 leave rows out. */
    evaluation evaluate(span<const float> x, span<const std::int32_t> labels, const run &how = run()) const
    {
        const dkvb_model_info found = info();
        evaluation out = {
            0.0, 0.0, 0.0, 0, std::vector<std::uint64_t>(found.classes), std::vector<std::uint64_t>(found.classes)};
        dkvb_evaluation raw = DKVB_EVALUATION_INIT;
        detail::running running(how);

        detail::same_size(labels.size(), detail::rows_in(x.size(), found.input_dim, "x"), "labels");
        raw.class_rows = out.class_rows.data();
        raw.class_right = out.class_right.data();
        running.check(dkvb_model_evaluate(get(), x.data(), nullptr, labels.data(), labels.size(), &raw, running));
        out.accuracy = raw.accuracy;
        out.loss = raw.loss;
        out.calibration_error = raw.calibration_error;
        out.abstained = raw.abstained;
        return out;
    }
    /** All values, `float[codebooks][keys][classes]`. */
    std::vector<float> values() const
    {
        const dkvb_model_info found = info();
        std::vector<float> out(static_cast<std::size_t>(found.codebooks) * found.keys * found.classes);

        check(dkvb_model_get_values(get(), out.data()));
        return out;
    }

    /** The plan of a request. Nothing changes, except that a codeset without codes is searched. */
    dkvb::plan plan(const request &who, codeset *codes = nullptr, const run &how = run())
    {
        const dkvb_forget_request raw = who.raw();
        dkvb_plan *out = nullptr;
        detail::running running(how);

        const dkvb_status status = dkvb_forget_plan(&out, get(), codes ? codes->get() : nullptr, &raw, running);
        dkvb::plan made(out);
        running.check(status);
        return made;
    }
    /** A request is planned, and the plan is applied. Returns the number of the journal entry. Masking suppresses; only
     * the strength exact deletes what rows taught. Throws `DKVB_EREFUSED` with the reason where the plan is refused. */
    std::uint64_t forget(const request &who, codeset *codes = nullptr, const run &how = run())
    {
        return plan(who, codes, how).apply(*this, codes);
    }
    /** The pairs of a mask are masked, and the journal gets an entry. Returns its number. */
    std::uint64_t forget(const mask &pairs, const dkvb_forget_options *options = nullptr)
    {
        std::uint64_t entry = 0;

        check(dkvb_model_forget(get(), pairs.get(), options, &entry));
        return entry;
    }
    /** One masking is taken back; 0: the latest that is active. Returns its number. */
    std::uint64_t undo(std::uint64_t entry = 0)
    {
        std::uint64_t undone = 0;

        check(dkvb_model_undo(get(), entry, &undone));
        return undone;
    }
    /** Masked keys, their values and the lists of pairs in the journal are erased. A purge cannot be undone. */
    void purge()
    {
        check(dkvb_model_purge(get()));
    }

    journal_view journal() const
    {
        return journal_view(get(), info().journal_entries);
    }
    /** A hash of the newest entry and all before it. Kept elsewhere, it shows whether the journal has only grown. */
    std::array<std::uint8_t, 32> journal_head() const noexcept
    {
        std::array<std::uint8_t, 32> out;

        dkvb_journal_head(get(), out.data());
        return out;
    }
    /** Pairs that an entry asked for; 0: all that are in force. */
    mask masked(std::uint64_t entry = 0) const
    {
        dkvb_mask *out = nullptr;

        check(dkvb_journal_get_mask(get(), entry, &out));
        return mask(out);
    }
};

/** A model file that is followed through its replacements (live.h). Many threads may use one object at once. */
class live_model : public detail::handle<dkvb_live, dkvb_live_free>
{
  public:
    /** The model that the file held when the use began; it stays to the end of this object. The `live_model` must
     * outlive the use. */
    class use
    {
      public:
        explicit use(dkvb_live *of) : live_(of), model_(nullptr)
        {
            check(dkvb_live_acquire(live_, &model_));
        }
        use(use &&other) noexcept : live_(other.live_), model_(other.model_)
        {
            other.model_ = nullptr;
        }
        use(const use &) = delete;
        use &operator=(const use &) = delete;
        use &operator=(use &&) = delete;
        ~use()
        {
            dkvb_live_release(live_, model_);
        }

        /** For functions of the C library; valid as long as this object. */
        const dkvb_model *get() const noexcept
        {
            return model_;
        }
        /** The class of each row, -1 where nothing was learned behind it. */
        std::vector<std::int32_t> predict(span<const float> x, const run &how = run()) const
        {
            dkvb_model_info info = DKVB_MODEL_INFO_INIT;

            check(dkvb_model_get_info(model_, &info));
            std::vector<std::int32_t> labels(detail::rows_in(x.size(), info.input_dim, "x"));
            detail::running running(how);
            running.check(dkvb_model_predict(model_, x.data(), labels.size(), labels.data(), nullptr, running));
            return labels;
        }

      private:
        dkvb_live *live_;
        const dkvb_model *model_;
    };

    static live_model open(const std::string &path, const dkvb_live_options *options = nullptr)
    {
        dkvb_live *out = nullptr;

        check(dkvb_live_open(&out, path.c_str(), options));
        return live_model(out);
    }
    /** A file that is missing, damaged or another model throws: a replaced model does not answer. */
    use acquire() const
    {
        return use(get());
    }
    /** Number of replacements that were taken up. */
    std::uint64_t taken() const noexcept
    {
        return dkvb_live_taken(get());
    }

  private:
    explicit live_model(dkvb_live *object) noexcept : handle(object)
    {
    }
};

inline request request::of_classes(const model &of, std::initializer_list<const char *> words)
{
    request out;

    out.marks_.assign(of.classes(), std::uint8_t{DKVB_KEEP});
    for (const char *word : words)
        out.marks_[of.find_class(word)] = DKVB_FORGET;
    return out;
}

inline std::uint64_t plan::apply(model &to, codeset *codes)
{
    std::uint64_t entry = 0;

    check(dkvb_forget_apply(get(), to.get(), codes ? codes->get() : nullptr, &entry));
    return entry;
}

/** Rows to learn from, of `columns` numbers each, and a label for each, -1 = ignore. `raw` may be changed further. */
struct labelled {
    dkvb_fit_rows raw;

    labelled(span<const float> x, std::size_t columns, span<const std::int32_t> labels) : raw(DKVB_FIT_ROWS_INIT)
    {
        raw.n = detail::rows_in(x.size(), columns, "x");
        detail::same_size(labels.size(), raw.n, "labels");
        raw.x = x.data();
        raw.dim = columns;
        raw.labels = labels.data();
    }
    /** Ids of the rows, each once: a codeset finds the rows again by them. */
    labelled &with_ids(span<const std::uint64_t> ids)
    {
        detail::same_size(ids.size(), raw.n, "ids");
        raw.ids = ids.data();
        return *this;
    }
    /** Groups of the rows: rows with the same number are held out together or not at all. */
    labelled &with_groups(span<const std::uint64_t> groups)
    {
        detail::same_size(groups.size(), raw.n, "groups");
        raw.groups = groups.data();
        return *this;
    }
};

/** The result of a fit: a model, the codes that forgetting needs, and a report of what was chosen and measured. */
struct fitted {
    dkvb::model model;
    codeset codes;
    dkvb_fit_report report;
};

/** Trains a model (fit.h). A tenth of the rows is held out, unless `hold_out` of the options says otherwise. */
inline fitted fit(const labelled &rows, const dkvb_fit_options *options = nullptr, const run &how = run())
{
    dkvb_model *trained = nullptr;
    dkvb_codeset *codes = nullptr;
    fitted out = {model(nullptr), codeset(nullptr), DKVB_FIT_REPORT_INIT};
    detail::running running(how);

    const dkvb_status status = dkvb_fit(&trained, &codes, &rows.raw, options, &out.report, running);
    out.model = model(trained);
    out.codes = codeset(codes);
    running.check(status);
    return out;
}

/** Trains a model from all rows, and keeps nothing of them: such a model forgets by names and masks only. */
inline model fit_without_codes(const labelled &rows, const dkvb_fit_options *options = nullptr, const run &how = run())
{
    dkvb_model *trained = nullptr;
    detail::running running(how);

    const dkvb_status status = dkvb_fit(&trained, nullptr, &rows.raw, options, nullptr, running);
    model made(trained);
    running.check(status);
    return made;
}

/** Goes on with a model and its codeset (fit.h); `codes` NULL: the model was trained without one. */
inline dkvb_fit_report fit_more(model &to, codeset *codes, const labelled &rows,
                                const dkvb_fit_options *options = nullptr, const run &how = run())
{
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    detail::running running(how);

    running.check(dkvb_fit_more(to.get(), codes ? codes->get() : nullptr, &rows.raw, options, &report, running));
    return report;
}

/** The figures of an audit (audit.h). */
class audit_report : public detail::handle<dkvb_audit_report, dkvb_audit_report_free>
{
  public:
    /** The handle owns a C object from now on. */
    explicit audit_report(dkvb_audit_report *object) noexcept : handle(object)
    {
    }

    const dkvb_audit_report *operator->() const noexcept
    {
        return get();
    }
    /** One figure of one subject, DKVB_AUDIT_… of audit.h; NULL if the subject was not measured. Tied to the report. */
    const dkvb_audit_figure *figure(std::uint32_t subject, std::uint32_t which) const noexcept
    {
        return dkvb_audit_get_figure(get(), subject, which);
    }
};

/** Attacks a model that has forgotten rows, beside values that were trained again without them. `rows` is what the
 * model was trained on, `tests` what it never saw; `who` NULL: what the journal names. */
inline audit_report audit(const model &of, const labelled &rows, const labelled &tests,
                          const dkvb_audit_options *options = nullptr, const dkvb_audit_request *who = nullptr,
                          const run &how = run())
{
    dkvb_audit_rows raw = DKVB_AUDIT_ROWS_INIT;
    dkvb_audit_report *out = nullptr;
    detail::running running(how);

    detail::same_size(rows.raw.dim, of.info().input_dim, "columns of the training rows");
    detail::same_size(tests.raw.dim, of.info().input_dim, "columns of the test rows");
    raw.x = rows.raw.x;
    raw.labels = rows.raw.labels;
    raw.ids = rows.raw.ids;
    raw.n = rows.raw.n;
    raw.test_x = tests.raw.x;
    raw.test_labels = tests.raw.labels;
    raw.test_n = tests.raw.n;
    const dkvb_status status = dkvb_audit_run(&out, of.get(), who, &raw, options, running);
    audit_report made(out);
    running.check(status);
    return made;
}

} // namespace dkvb

#endif

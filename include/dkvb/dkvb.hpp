/**
 * libdkvb for C++11 and later: dkvb.hpp has handles that free themselves, exceptions, spans, loops over the journal.
 *
 *     dkvb::labelled rows(x, columns, y);                                   // makes spans, copies nothing
 *     dkvb::fitted fit = dkvb::fit(rows);                                   // makes a model and its codeset
 *     dkvb::request bird = dkvb::request::of_classes(fit.model, {"bird"});
 *     fit.model.forget(bird, &fit.codes);                                   // plans and applies, or throws
 *     for (const dkvb_journal_entry &entry : fit.model.journal())
 *         std::cout << entry.id << ": " << entry.reason << "\n";
 *
 * The header dkvb.hpp only calls the C functions of libdkvb, so answers, files and journals have the same bits as in C.
 * Options and reports in C++ are the structs of the C headers; each struct is initialised by its INIT macro.
 *
 * Functions of dkvb.hpp throw errors as dkvb::error. A function of dkvb.hpp that throws has changed nothing. A handle
 * that was moved from is empty, and can only be assigned to or destroyed. Threads: as in C, many threads may read one
 * object at once, or a single thread may change the object.
 *
 * A dkvb::span is a std::span from C++20 on. Before C++20, dkvb::span holds a pointer and a size, and is made from
 * both, from a std::vector or from a std::array.
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
/** A span: a pointer to elements that somebody else owns, and their number. */
template <class T> class span
{
  public:
    span() noexcept : data_(nullptr), size_(0)
    {
    }
    span(T *data, std::size_t size) noexcept : data_(data), size_(size)
    {
    }
    /** Makes a span of all elements of a container with data() and size(): std::vector, std::array, std::string. */
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

/**
 * Exception for a failed call: what() is the sentence of dkvb_last_error(), status() is the status code for a program.
 */
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
    /** Name of the status code, such as "DKVB_EINVAL". */
    const char *name() const noexcept
    {
        return dkvb_name(DKVB_NAME_STATUS, status_);
    }

  private:
    dkvb_status status_;
};

/** Checks the status of a C function: a failure is thrown as dkvb::error. */
inline void check(dkvb_status status)
{
    if (status != DKVB_OK)
        throw error(status, dkvb_last_error());
}

/**
 * Run options of long calls: number of threads, progress callback, counter of rows outside the scale of the keys. The
 * default of dkvb::run uses as many threads as OpenMP would, and reports no progress.
 */
struct run {
    /**
     * Number of threads, including the calling thread; 0 uses as many as OpenMP would. Results never depend on the
     * number of threads.
     */
    std::uint32_t threads;
    /**
     * Progress callback, called now and then with two numbers of units of work (such as rows): how many are finished,
     * and how many there are. A callback that returns false cancels the call, which then throws `DKVB_ECANCELLED`. A
     * callback that throws cancels the call, and the call throws the exception of the callback.
     */
    std::function<bool(std::uint64_t done, std::uint64_t total)> progress;
    /** Counter of rows outside the scale of the keys (search.h); or NULL. */
    dkvb_outside *outside;

    explicit run(std::uint32_t count = 0) : threads(count), progress(), outside(nullptr)
    {
    }
};

namespace detail
{

/**
 * Run options of one C call. An exception must not leave C code, so progress() keeps the exception of a callback until
 * check() throws it.
 */
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

    /*
     * Throws the exception that a callback of a C call has thrown, even if the C call succeeded; called only after
     * handles own the objects that the C call made.
     */
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

/** Number of rows in an array of `size` numbers, where each row has `columns` numbers. */
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

/** A handle owns one C object: it can be moved but not copied, and frees the object when it is destroyed. */
template <class T, void (*Free)(T *)> class handle
{
  public:
    /** The C object that the handle owns, valid as long as the handle. */
    T *get() const noexcept
    {
        return owner_.get();
    }
    /** Takes the C object out of the handle; the caller must then free the object. */
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

/** Features or labels read from a file (data.h), in memory of the library. */
class array
{
  public:
    /**
     * Reads features as rows of `float`, from a `.npy` or IDX file, plain or gzip. The argument `how` of features() is
     * 0, or a way to read an array file, DKVB_READ_… (data.h).
     */
    static array features(const std::string &path, std::uint32_t how = 0)
    {
        array out;

        check(dkvb_features_read(out.raw_.get(), path.c_str(), how, nullptr));
        return out;
    }
    /** Reads labels of rows from an array file, as `int32_t`. */
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
    /** Features that the method features() has read from a file, row by row. */
    span<const float> floats() const
    {
        return span<const float>(as<float>(DKVB_DTYPE_F32), rows() * columns());
    }
    /** Labels of rows that the method labels() has read from a file. */
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

/** A table in any format that the library reads (table.h): rows, with the labels, ids and names that the file holds. */
class table : public detail::handle<dkvb_table, dkvb_table_free>
{
  public:
    /**
     * Options that say how the columns of a table are used: the members of dkvb_table_options, with strings instead of
     * pointers.
     */
    struct columns {
        /** Names of the table columns that hold labels, ids and groups; "" for no column. */
        std::string label, id, group;
        /** Name of the group whose rows the table keeps; "" keeps the rows of all groups. */
        std::string only_group;
        /**
         * Names of the table columns that become features, in the order of the features, such as the columns of a
         * model; an empty vector takes all columns that are not used for labels, ids or groups
         */
        std::vector<std::string> features;
        std::vector<std::string> names; /**< names of classes that the labels 0, 1, … already have */
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

    /** Contents of a table that was read, with pointers that are valid as long as the table. */
    dkvb_table_info info() const
    {
        dkvb_table_info out = DKVB_TABLE_INFO_INIT;

        check(dkvb_table_get_info(get(), &out));
        return out;
    }
    /** Features of the table that was read, row by row. */
    span<const float> floats() const
    {
        const dkvb_table_info i = info();

        return span<const float>(i.x, static_cast<std::size_t>(i.rows * i.columns));
    }
    /** Labels of the rows, -1 for a row without a label; empty if no column has labels. */
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

/** A set of (codebook, key) pairs (mask.h). A loop over a mask gives its (codebook, key) pairs in ascending order. */
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
                mask_ = nullptr; /* no (codebook, key) pair of the mask is left, so this iterator now equals end() */
                at_ = 0;
            }
        }

        const dkvb_mask *mask_;
        std::uint32_t keys_;
        std::uint64_t at_; /* number of the (codebook, key) pair: codebook * keys + key */
    };

    /** Makes a dkvb::mask that owns the C mask `object`. */
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
    /** Combines two masks; `how` is DKVB_MASK_UNION, _INTERSECTION or _DIFFERENCE. */
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

/**
 * Handle of codebooks, which hold the frozen keys of a model (codebooks.h). Models can share codebooks: each model that
 * is made from shared codebooks becomes one more owner of the codebooks.
 */
class codebooks : public detail::handle<dkvb_codebooks, dkvb_codebooks_free>
{
  public:
    /** Makes a dkvb::codebooks that owns one reference to the C codebooks `object`. */
    explicit codebooks(dkvb_codebooks *object) noexcept : handle(object)
    {
    }

    /**
     * Makes frozen codebooks, whose keys are placed on the rows `x` of `columns` numbers each. The argument `options`
     * may be NULL for the default options of placing keys.
     */
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
    /**
     * Finds the codes of rows, `uint16_t[n][codebooks][k]`, nearest key first. The search of codes leaves out
     * (codebook, key) pairs of the mask `masked`; NULL leaves out no pair.
     */
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
    /** Returns a second handle that owns the same codebooks as the first handle; the codebooks are not copied. */
    codebooks share() const noexcept
    {
        return codebooks(dkvb_codebooks_retain(get()));
    }
    /** Makes an empty mask of the codebooks. */
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
    /** Makes a dkvb::codeset that owns the C codeset `object`. */
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
    /**
     * Rows of one part of the codeset, DKVB_PART_TRAINING or DKVB_PART_HELD_OUT. Pointers to the rows of a codeset are
     * valid until the codeset changes or is destroyed.
     */
    dkvb_codeset_rows rows(std::uint32_t part) const
    {
        dkvb_codeset_rows out = DKVB_CODESET_ROWS_INIT;

        check(dkvb_codeset_get_rows(get(), part, &out));
        return out;
    }
    /** Removes rows from the codeset, and returns how many were removed. */
    std::uint64_t remove(span<const std::uint64_t> ids)
    {
        std::uint64_t removed = 0;

        check(dkvb_codeset_remove(get(), ids.data(), ids.size(), &removed));
        return removed;
    }
};

/**
 * Entries of a model's journal, oldest first. The texts of journal entries are valid until the model changes or is
 * destroyed.
 */
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
    /** Journal entry at `index`, from 0; throws `DKVB_ENOTFOUND` past the last entry. */
    dkvb_journal_entry operator[](std::uint64_t index) const
    {
        return *iterator(model_, index);
    }

  private:
    const dkvb_model *model_;
    std::uint64_t size_;
};

class model;

/**
 * A request to forget names the classes or rows to forget. The options of a request to forget hold the strength,
 * budget, accuracy limits and reason of the request (plan.h).
 */
class request
{
  public:
    /** Request to forget all rows of some classes, given by name or index. */
    static request of_classes(const model &of, std::initializer_list<const char *> words);
    /** Request to forget rows of a codeset, given by their ids, which are copied. */
    static request of_rows(span<const std::uint64_t> ids)
    {
        request out;

        out.ids_.assign(ids.data(), ids.data() + ids.size());
        return out;
    }
    /** Request to forget what the caller names in `options`: codes of rows, a mask, or a text that lists requests. */
    static request of_options(const dkvb_forget_request &options)
    {
        request out;

        out.options = options;
        return out;
    }

    dkvb_forget_request options;

    /** The C struct of the request, for functions of the C library; valid as long as the request object. */
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

    std::vector<std::uint8_t> marks_; /* mark of each class: DKVB_FORGET or DKVB_KEEP */
    std::vector<std::uint64_t> ids_;
};

/** A plan says what a request to forget would do, and whether to do it (plan.h). */
class plan : public detail::handle<dkvb_plan, dkvb_plan_free>
{
  public:
    /** Makes a dkvb::plan that owns the C plan `object`. */
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

    /** Contents of the plan of a forgetting, with pointers that are valid as long as the plan. */
    dkvb_plan_info info() const
    {
        dkvb_plan_info out = DKVB_PLAN_INFO_INIT;

        check(dkvb_plan_get_info(get(), &out));
        return out;
    }
    /**
     * Applies the plan of a forgetting to the model `to`, and returns the number of the new journal entry. Throws
     * `DKVB_EREFUSED` with the reason if the plan of the forgetting is refused. The forget strength `exact` needs the
     * codeset `codes` of the model.
     */
    inline std::uint64_t apply(model &to, codeset *codes = nullptr);
};

/** Quality of a model, measured on labelled rows. */
struct evaluation {
    double accuracy;          /**< fraction of labelled rows classified correctly; NaN without such rows */
    double loss;              /**< mean cross-entropy of the labelled rows in nats; NaN without such rows */
    double calibration_error; /**< expected calibration error (15 bins) of the probabilities that the model gives */
    std::uint64_t abstained;  /**< number of rows for which the model gave no answer, which count as wrong */
    std::vector<std::uint64_t> class_rows; /**< `[classes]`, number of labelled rows of each class */
    /** `[classes]`, number of rows of each class that the model classifies correctly. */
    std::vector<std::uint64_t> class_right;
};

/** A classifier that can forget (model.h, unlearn.h). */
class model : public detail::handle<dkvb_model, dkvb_model_free>
{
  public:
    /** Makes a dkvb::model that owns the C model `object`. */
    explicit model(dkvb_model *object) noexcept : handle(object)
    {
    }

    /** Makes an untrained model, which becomes one more owner of the codebooks. */
    static model create(const codebooks &keys, std::uint32_t classes, const dkvb_model_options *options = nullptr)
    {
        dkvb_model *out = nullptr;

        check(dkvb_model_new(&out, keys.get(), classes, options));
        return model(out);
    }
    /**
     * Opens a model file. With the model option `in_place`, the model file is mapped into memory, and the model can
     * answer but not change.
     */
    static model load(const std::string &path, const dkvb_model_options *options = nullptr)
    {
        dkvb_model *out = nullptr;

        check(dkvb_model_load(&out, path.c_str(), options));
        return model(out);
    }
    /** Writes the model to a file, completely or not at all. */
    void save(const std::string &path) const
    {
        check(dkvb_model_save(get(), path.c_str()));
    }
    /** Writes the model and its codeset: both files are on disk before either of them gets its name. */
    void save_with(const std::string &path, const codeset &set, const std::string &codes_path) const
    {
        check(dkvb_model_save_with(get(), path.c_str(), set.get(), codes_path.c_str()));
    }
    /** Checks every byte of the model: a wrong checksum, number or journal throws. */
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
    /** The codebooks of the model; the returned dkvb::codebooks is one more owner of them. */
    codebooks keys() const noexcept
    {
        return codebooks(dkvb_codebooks_retain(dkvb_model_codebooks(get())));
    }
    /** Name of a class; "" if the class has no name. */
    std::string class_name(std::uint32_t label) const
    {
        const char *name = dkvb_model_class_name(get(), label);

        return name ? name : "";
    }
    void set_class_name(std::uint32_t label, const std::string &name)
    {
        check(dkvb_model_set_class_name(get(), label, name.c_str()));
    }
    /** Names of all columns of a row of features; empty if the columns have no names. */
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
    /** Gives names to all columns of a row of features; an empty vector removes the names. */
    void set_column_names(const std::vector<std::string> &names)
    {
        std::vector<const char *> texts;

        for (const std::string &name : names)
            texts.push_back(name.c_str());
        check(dkvb_model_set_column_names(get(), texts.data(), texts.size()));
    }
    /** Index of the class of the model whose name or index is `word`. */
    std::uint32_t find_class(const std::string &word) const
    {
        std::uint32_t label = 0;

        check(dkvb_model_find_class(get(), word.c_str(), DKVB_FIND_NAME_OR_INDEX, &label));
        return label;
    }

    /**
     * Trains the values on codes, `uint16_t[n][codebooks][k]`, and labels, `int32_t[n]`, where -1 marks rows to ignore.
     */
    void train(span<const std::uint16_t> codes, std::uint32_t k, span<const std::int32_t> labels,
               const dkvb_train_options *options = nullptr, const run &how = run())
    {
        detail::running running(how);

        detail::same_size(codes.size(), labels.size() * info().codebooks * k, "codes");
        running.check(dkvb_model_train(get(), codes.data(), k, labels.data(), labels.size(), options, running));
    }

    /** Predicts the class of each row, -1 if no (codebook, key) pair that the row selects has learned anything. */
    std::vector<std::int32_t> predict(span<const float> x, const run &how = run()) const
    {
        const std::size_t n = detail::rows_in(x.size(), info().input_dim, "x");
        std::vector<std::int32_t> labels(n);
        detail::running running(how);

        running.check(dkvb_model_predict(get(), x.data(), n, labels.data(), nullptr, running));
        return labels;
    }
    /**
     * Predicts the class of each row, -1 if no (codebook, key) pair that the row selects has learned anything, into
     * memory of the caller, without allocating memory for the result.
     */
    void predict(span<const float> x, span<std::int32_t> labels, const run &how = run()) const
    {
        const std::size_t n = detail::rows_in(x.size(), info().input_dim, "x");
        detail::running running(how);

        detail::same_size(labels.size(), n, "labels");
        running.check(dkvb_model_predict(get(), x.data(), n, labels.data(), nullptr, running));
    }
    /** Logits of rows, `float[n][classes]`, before they are divided by the softmax temperature. */
    std::vector<float> logits(span<const float> x, const run &how = run()) const
    {
        const dkvb_model_info found = info();
        const std::size_t n = detail::rows_in(x.size(), found.input_dim, "x");
        std::vector<float> out(n * found.classes);
        detail::running running(how);

        running.check(dkvb_model_predict(get(), x.data(), n, nullptr, out.data(), running));
        return out;
    }
    /** Probabilities of classes, `float[n][classes]`: softmax of the logits at the temperature of the model. */
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
    /**
     * Writes the codes of rows into a `.npy` file. An interrupted search_file() continues when it is called again with
     * the same arguments (search.h).
     */
    dkvb_search_file_report search_file(span<const float> x, const std::string &path, bool restart = false,
                                        const run &how = run()) const
    {
        const std::size_t n = detail::rows_in(x.size(), info().input_dim, "x");
        dkvb_search_file_options options = DKVB_SEARCH_FILE_OPTIONS_INIT;
        dkvb_search_file_report report = DKVB_SEARCH_FILE_REPORT_INIT;
        detail::running running(how);

        options.restart = restart;
        running.check(dkvb_search_file(get(), x.data(), n, path.c_str(), &options, &report, running));
        return report;
    }
    /** Measures the model on labelled rows; rows with label -1 are left out. */
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
    /** All values of the model, `float[codebooks][keys][classes]`: one number for each key and class. */
    std::vector<float> values() const
    {
        const dkvb_model_info found = info();
        std::vector<float> out(static_cast<std::size_t>(found.codebooks) * found.keys * found.classes);

        check(dkvb_model_get_values(get(), out.data()));
        return out;
    }

    /**
     * Makes a plan for a request to forget. Making a plan does not change the model, but searches the codes of a
     * codeset that has no codes yet.
     */
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
    /**
     * Makes a plan for a request to forget and applies the plan. Returns the number of the new journal entry. The
     * forget strength `suppress` masks (codebook, key) pairs; only the strength `exact` deletes what the forgotten rows
     * taught. Throws `DKVB_EREFUSED` with the reason if the plan of the forgetting is refused.
     */
    std::uint64_t forget(const request &who, codeset *codes = nullptr, const run &how = run())
    {
        return plan(who, codes, how).apply(*this, codes);
    }
    /** Masks the pairs of a mask in the model, adds an entry to the journal, and returns the number of the entry. */
    std::uint64_t forget(const mask &pairs, const dkvb_forget_options *options = nullptr)
    {
        std::uint64_t entry = 0;

        check(dkvb_model_forget(get(), pairs.get(), options, &entry));
        return entry;
    }
    /**
     * Undoes the forget operation of one journal entry (0: the latest active one), and returns the number of that
     * entry.
     */
    std::uint64_t undo(std::uint64_t entry = 0)
    {
        std::uint64_t undone = 0;

        check(dkvb_model_undo(get(), entry, &undone));
        return undone;
    }
    /**
     * Erases from the model all masked keys, their values, and the journal's lists of masked pairs (a purge); nobody
     * can undo a purge.
     */
    void purge()
    {
        check(dkvb_model_purge(get()));
    }

    journal_view journal() const
    {
        return journal_view(get(), info().journal_entries);
    }
    /**
     * Head of the journal: a hash of its newest entry and all entries before it. A journal head that somebody keeps
     * outside the model shows later whether the journal has only grown.
     */
    std::array<std::uint8_t, 32> journal_head() const noexcept
    {
        std::array<std::uint8_t, 32> out;

        dkvb_journal_head(get(), out.data());
        return out;
    }
    /**
     * Mask of the (codebook, key) pairs that a journal entry asked to mask; entry 0 stands for all pairs that are
     * masked now.
     */
    mask masked(std::uint64_t entry = 0) const
    {
        dkvb_mask *out = nullptr;

        check(dkvb_journal_get_mask(get(), entry, &out));
        return mask(out);
    }
};

/** A model file that is reopened whenever it is replaced (live.h). Many threads may use one live_model at once. */
class live_model : public detail::handle<dkvb_live, dkvb_live_free>
{
  public:
    /**
     * One use of a live model: the model that the model file held when the use began stays available until the `use` is
     * destroyed. The `live_model` must outlive its uses.
     */
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

        /** The C model of this use, for functions of the C library; valid as long as the `use` object. */
        const dkvb_model *get() const noexcept
        {
            return model_;
        }
        /** Predicts the class of each row, -1 if no (codebook, key) pair that the row selects has learned anything. */
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
    /**
     * Begins a use of the live model, with the model that the model file holds now. The method acquire() throws if the
     * model file is missing, damaged or holds another model, since a replaced model must not answer.
     */
    use acquire() const
    {
        return use(get());
    }
    /** Number of replacements of the model file that were noticed. */
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

/**
 * Rows to learn from, with `columns` numbers in each, and a label for each row, where -1 marks rows to ignore. Callers
 * may change further members of `raw`, the C struct of rows.
 */
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
    /** Gives the rows ids, each once, by which a codeset finds the rows again. */
    labelled &with_ids(span<const std::uint64_t> ids)
    {
        detail::same_size(ids.size(), raw.n, "ids");
        raw.ids = ids.data();
        return *this;
    }
    /** Gives the rows group numbers: rows of the same group are held out together or not at all. */
    labelled &with_groups(span<const std::uint64_t> groups)
    {
        detail::same_size(groups.size(), raw.n, "groups");
        raw.groups = groups.data();
        return *this;
    }
};

/** Result of a fit: a model, the codeset that later forgetting needs, and a report of what was chosen and measured. */
struct fitted {
    dkvb::model model;
    codeset codes;
    dkvb_fit_report report;
};

/**
 * Trains a model from labelled rows (fit.h). The fit holds out a tenth of the rows, unless the member `hold_out` of the
 * options says otherwise.
 */
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

/**
 * Trains a model from all rows, and keeps no codeset of them: later requests to forget can name only classes and masks.
 */
inline model fit_without_codes(const labelled &rows, const dkvb_fit_options *options = nullptr, const run &how = run())
{
    dkvb_model *trained = nullptr;
    detail::running running(how);

    const dkvb_status status = dkvb_fit(&trained, nullptr, &rows.raw, options, nullptr, running);
    model made(trained);
    running.check(status);
    return made;
}

/**
 * Continues the training of a model and its codeset (fit.h); `codes` may be NULL if the model was trained without a
 * codeset.
 */
inline dkvb_fit_report fit_more(model &to, codeset *codes, const labelled &rows,
                                const dkvb_fit_options *options = nullptr, const run &how = run())
{
    dkvb_fit_report report = DKVB_FIT_REPORT_INIT;
    detail::running running(how);

    running.check(dkvb_fit_more(to.get(), codes ? codes->get() : nullptr, &rows.raw, options, &report, running));
    return report;
}

/** Report of an audit, with all its figures (audit.h). */
class audit_report : public detail::handle<dkvb_audit_report, dkvb_audit_report_free>
{
  public:
    /** Makes a dkvb::audit_report that owns the C audit report `object`. */
    explicit audit_report(dkvb_audit_report *object) noexcept : handle(object)
    {
    }

    const dkvb_audit_report *operator->() const noexcept
    {
        return get();
    }
    /**
     * One audit figure of one measured model: constants DKVB_AUDIT_… of audit.h name the figure and the model; NULL if
     * the model was not measured. The pointer to a figure is valid as long as the audit report.
     */
    const dkvb_audit_figure *figure(std::uint32_t subject, std::uint32_t which) const noexcept
    {
        return dkvb_audit_get_figure(get(), subject, which);
    }
};

/**
 * Audits a model that has forgotten rows: attacks run on the model, and on values that were trained again without the
 * forgotten rows. The argument `rows` has the rows that the model was trained on, and `tests` has rows that were never
 * trained on; `who` names the forgotten rows, NULL takes the classes that the journal names.
 */
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

/**
 * @file
 * @brief Macros that all headers of the library use: exported functions, results that must be used, defaults of
 * structs.
 */
#ifndef DKVB_EXPORT_H
#define DKVB_EXPORT_H

/** @addtogroup dkvb_base
 *  @{ */

#if defined(__GNUC__) || defined(__clang__)
/** Marks a function as exported by the shared library. */
#define DKVB_API __attribute__((visibility("default")))
/** Makes the compiler warn where a caller ignores the result of the function. */
#define DKVB_NODISCARD __attribute__((warn_unused_result))
#else
#define DKVB_API
#define DKVB_NODISCARD
#endif

/**
 * Defines the inline function `void <type>_init(<type> *out)`, which sets a struct to the defaults of its INIT macro.
 */
#define DKVB_INIT_FUNCTION(type, defaults)                                                                             \
    static inline void type##_init(type *out)                                                                          \
    {                                                                                                                  \
        const type fresh = defaults;                                                                                   \
        *out = fresh;                                                                                                  \
    }

/** @} */

#endif

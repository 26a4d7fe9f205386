/** What every header needs: how functions leave the shared library, how results are guarded, how structs begin. */
#ifndef DKVB_EXPORT_H
#define DKVB_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define DKVB_API __attribute__((visibility("default")))
#define DKVB_NODISCARD __attribute__((warn_unused_result))
#else
#define DKVB_API
#define DKVB_NODISCARD
#endif

/* Defines `void <type>_init(<type> *out)`, which sets a struct to the defaults that its INIT macro has. */
#define DKVB_INIT_FUNCTION(type, defaults)                                                                             \
    static inline void type##_init(type *out)                                                                          \
    {                                                                                                                  \
        const type fresh = defaults;                                                                                   \
        *out = fresh;                                                                                                  \
    }

#endif

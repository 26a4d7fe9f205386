/** How functions leave the shared library, and how their results are guarded. */
#ifndef DKVB_EXPORT_H
#define DKVB_EXPORT_H

#if defined(__GNUC__) || defined(__clang__)
#define DKVB_API __attribute__((visibility("default")))
#define DKVB_NODISCARD __attribute__((warn_unused_result))
#else
#define DKVB_API
#define DKVB_NODISCARD
#endif

#endif

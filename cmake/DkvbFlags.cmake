# Compiler flags that every target of the project shares, as the interface target dkvb_flags.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()
if(CMAKE_C_BYTE_ORDER STREQUAL BIG_ENDIAN)
  message(FATAL_ERROR "libdkvb keeps its files little endian and reads them in place: big-endian machines are not supported")
endif()

add_library(dkvb_flags INTERFACE)
target_compile_definitions(dkvb_flags INTERFACE _XOPEN_SOURCE=700)
# No contraction of a * b + c: the same arithmetic with every compiler and on every processor (docs/numerics.md).
target_compile_options(dkvb_flags INTERFACE -ffp-contract=off
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(DKVB_WERROR)
  target_compile_options(dkvb_flags INTERFACE -Werror)
endif()
if(DKVB_SANITIZE)
  target_compile_options(dkvb_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  target_link_options(dkvb_flags INTERFACE -fsanitize=address,undefined)
endif()
if(DKVB_TSAN)
  target_compile_options(dkvb_flags INTERFACE -fsanitize=thread)
  target_link_options(dkvb_flags INTERFACE -fsanitize=thread)
endif()

// One function, compiled for several generations of a processor; the loader takes the best one.
#pragma once

// A build for a sanitizer defines NORMKIT_ONE_TARGET: what chooses the clone runs before the
// sanitizer is ready.
#if defined(__x86_64__) && defined(__ELF__) && !defined(NORMKIT_ONE_TARGET)
#define NORMKIT_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define NORMKIT_CLONES
#endif

// What is called inside a loop must become part of the clone that holds the loop.
#define NORMKIT_INLINED __attribute__((always_inline))
#define NORMKIT_INLINE inline NORMKIT_INLINED

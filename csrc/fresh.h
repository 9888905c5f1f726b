// New memory, which the system hands out page by page as it is first written to.
#pragma once

#include <cstddef>

namespace normkit {

/// Makes new memory ready to be written to.
///
/// It asks for large pages where there is much of it.
/// A page that is written to for the first time interrupts the program. On a large output the small
/// pages cost more than the arithmetic; where the system lets a program ask for large ones, there
/// are five hundred times fewer. Where it does not, nothing happens.
///
/// With NORMKIT_POISON=1 in the environment all of it becomes NaN, so that a test sees what a kernel
/// has left out.
void prepare(void* start, size_t bytes);

}  // namespace normkit

// SPDX-License-Identifier: Apache-2.0
// libevent keeps a slot of 16 bytes per loop and descriptor number that it has ever seen there, for good. Among the
// sessions on the heap each such slot would pin a page that they leave behind; here the slots live in an area of their
// own.
#pragma once

namespace limpet::net {

// Called before the first loop is made and before the first thread; later calls do nothing. Process-wide: libevent has
// one set of memory functions.
void keep_event_slots_apart();

}  // namespace limpet::net

// SPDX-License-Identifier: Apache-2.0
// Hand-written, since a general allocator cannot know that these few bytes outlive all around them.
#include "proxy/net/event_memory.h"

#include <event2/event.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>

namespace limpet::net {

namespace {

constexpr std::size_t kSlot = 16;
constexpr std::size_t kArea = 64UL * 1024 * 1024;  // of address space; memory is taken page by page, as slots are

struct Area {
  std::mutex mutex;
  char* begin = nullptr;
  std::size_t used = 0;
  void* free = nullptr;  // a chain through the first word of each
};

Area& area() {
  static Area only;
  return only;
}

bool is_slot(const void* at) {
  const auto* byte = static_cast<const char*>(at);
  return byte >= area().begin && byte < area().begin + kArea;
}

void* allocate(std::size_t size) {
  if (size > kSlot) return std::malloc(size);
  Area& slots = area();
  const std::lock_guard lock(slots.mutex);
  if (slots.free != nullptr) {
    void* slot = slots.free;
    std::memcpy(&slots.free, slot, sizeof slots.free);
    return slot;
  }
  if (slots.used + kSlot > kArea) return std::malloc(size);  // many loops with many descriptors: the heap will do
  void* slot = slots.begin + slots.used;
  slots.used += kSlot;
  return slot;
}

void release(void* at) {
  if (!is_slot(at)) return std::free(at);
  Area& slots = area();
  const std::lock_guard lock(slots.mutex);
  std::memcpy(at, &slots.free, sizeof slots.free);
  slots.free = at;
}

void* reallocate(void* at, std::size_t size) {
  if (at == nullptr) return allocate(size);
  if (!is_slot(at)) return std::realloc(at, size);
  if (size <= kSlot) return at;
  void* grown = std::malloc(size);
  if (grown == nullptr) return nullptr;
  std::memcpy(grown, at, kSlot);
  release(at);
  return grown;
}

}  // namespace

void keep_event_slots_apart() {
  if (area().begin != nullptr) return;
  void* mapped = ::mmap(nullptr, kArea, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return;  // the heap will do
  area().begin = static_cast<char*>(mapped);
  event_set_mem_functions(&allocate, &reallocate, &release);
}

}  // namespace limpet::net

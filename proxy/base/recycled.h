// SPDX-License-Identifier: Apache-2.0
// Recycled<T>: a base of a class T whose instances come and go with every request: a thread keeps the memory of its
// last few for the next ones, which costs a tenth of malloc's way through its bins. What is derived from T is not kept,
// unless it is Recycled itself. Sanitizers see every instance.
#pragma once

#include <cstddef>
#include <new>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMPET_RECYCLES false
#elif defined(__has_feature)
#define LIMPET_RECYCLES !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define LIMPET_RECYCLES true
#endif

namespace limpet {

template <typename T>
class Recycled {
 public:
  static void* operator new(std::size_t size) {
    Kept& kept = kept_here();
    if (!LIMPET_RECYCLES || size != sizeof(T) || kept.first == nullptr) return ::operator new(size);
    Block* const block = kept.first;
    kept.first = block->next;
    --kept.count;
    return block;
  }

  static void operator delete(void* memory, std::size_t size) {
    Kept& kept = kept_here();
    if (!LIMPET_RECYCLES || size != sizeof(T) || kept.count == kMost) return ::operator delete(memory);
    kept.first = new (memory) Block{kept.first};
    ++kept.count;
  }

 private:
  static constexpr std::size_t kMost = 128;  // about as many as end in one round

  struct Block {
    Block* next;
  };
  struct Kept {
    ~Kept() {
      count = kMost;  // for what is freed by other destructors at the thread's end
      while (first != nullptr) {
        Block* const block = first;
        first = block->next;
        ::operator delete(block);
      }
    }
    Block* first = nullptr;
    std::size_t count = 0;
  };
  static Kept& kept_here() {
    thread_local Kept kept;
    return kept;
  }
};

}  // namespace limpet

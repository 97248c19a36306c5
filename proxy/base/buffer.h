// SPDX-License-Identifier: Apache-2.0
// Buffer: a queue of bytes that waits for a slow peer (or for the rest of a message). Empty, it owns no memory at all,
// so that what rarely waits costs little. One thread; not copied.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace limpet {

class Buffer {
 public:
  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      clear();
      data_ = std::exchange(other.data_, nullptr);
      begin_ = std::exchange(other.begin_, 0);
      end_ = std::exchange(other.end_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  ~Buffer() { std::free(data_); }

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::string_view view() const { return {data_ + begin_, size()}; }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    make_room(bytes.size());
    std::memcpy(data_ + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  // Drops bytes from the front. Requires: n <= size().
  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) clear();
  }

  void clear() {
    std::free(data_);
    data_ = nullptr;
    begin_ = end_ = capacity_ = 0;
  }

 private:
  void make_room(std::size_t more) {
    if (end_ + more <= capacity_) return;
    const std::size_t held = size();
    if (begin_ >= capacity_ / 2 && held + more <= capacity_) {
      std::memmove(data_, data_ + begin_, held);
    } else {
      const std::size_t grown = std::max<std::size_t>(held + more, capacity_ * 3 / 2);
      char* moved = static_cast<char*>(std::malloc(grown));
      if (moved == nullptr) throw std::bad_alloc();
      if (held > 0) std::memcpy(moved, data_ + begin_, held);
      std::free(data_);
      data_ = moved;
      capacity_ = grown;
    }
    begin_ = 0;
    end_ = held;
  }

  char* data_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace limpet

// SPDX-License-Identifier: Apache-2.0
// ControlFinder: finds the control characters of a text, one after the other: the bytes that no line of a head may hold
// (NUL, controls other than HTAB, DEL; RFC 9110 §5.5), line ends among them. Looks at sixteen bytes at a time, since a
// head is scanned again each time that more of it arrives.
#pragma once

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <bit>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace limpet::wire {

class ControlFinder {
 public:
  // `text` outlives it.
  explicit ControlFinder(std::string_view text) : text_(text) {
    if (!text.empty()) look();
  }

  // The place of the next one; npos: there is none any more.
  std::size_t next() {
    while (found_ == 0) {
      block_ += kBlock;
      if (block_ >= text_.size()) return std::string_view::npos;
      look();
    }
    const std::size_t at = block_ + static_cast<std::size_t>(std::countr_zero(found_));
    found_ &= found_ - 1;
    return at;
  }

 private:
  static constexpr std::size_t kBlock = 16;

  void look() {
    const std::size_t left = text_.size() - block_;
    if (left >= kBlock) {
      found_ = controls_of(text_.data() + block_);
      return;
    }
    char rest[kBlock];
    std::memset(rest, ' ', sizeof rest);
    std::memcpy(rest, text_.data() + block_, left);
    found_ = controls_of(rest);
  }

  // Of a block, a bit for each.
  static unsigned controls_of(const char* from) {
#ifdef __SSE2__
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i printable = _mm_or_si128(_mm_cmpeq_epi8(_mm_max_epu8(bytes, _mm_set1_epi8(' ')), bytes),
                                           _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\x7f'));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_andnot_si128(del, printable))) ^ 0xffffU;
#else
    unsigned found = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const auto c = static_cast<unsigned char>(from[i]);
      found |= ((c < ' ' && c != '\t') || c == 0x7f ? 1U : 0U) << i;
    }
    return found;
#endif
  }

  std::string_view text_;
  std::size_t block_ = 0;
  unsigned found_ = 0;  // a bit for each control character of the present block that next() has not returned yet
};

}  // namespace limpet::wire

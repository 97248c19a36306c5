// SPDX-License-Identifier: Apache-2.0
// Any bytes as a body of any framing (the third byte chooses): decoded whole, cut in two at a place that the first two
// bytes choose, and byte by byte, the outcome is the same, and the content lies within the input. A chunked one is what
// Boost.Beast makes of it.
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <string>
#include <vector>

#include "proxy/wire/http/http1.h"
#include "tests/wire/http/beast_body.h"

namespace {

using namespace limpet::wire;

void require(bool claim) {
  if (!claim) std::abort();
}

std::string text_of(const Fields& trailers) {
  std::string text;
  for (std::size_t i = 0; i < trailers.size(); ++i) text += trailers.line(i);
  return text;
}

struct Outcome {
  Status status;
  std::string content;
  std::size_t consumed = 0;
  std::string trailers;
};

class Body {
 public:
  Body(Framing framing, std::uint64_t length) : decoder_(framing, length) {
    outcome_.status = decoder_.done() ? Status::Done : Status::NeedMore;
  }

  void take(std::string_view part) {
    if (outcome_.status != Status::NeedMore) return;
    const std::string input(part);
    std::vector<std::string_view> pieces;
    std::size_t consumed = 0;
    std::vector<std::string_view> chunks;
    const bool is_whole = decoder_.is_whole_chunks(input, chunks);
    outcome_.status = decoder_.decode(input, consumed, pieces);
    require(!is_whole || (outcome_.status == Status::NeedMore && pieces == chunks));
    require(consumed <= input.size());
    require(outcome_.status != Status::NeedMore || consumed == input.size());
    const char* at = input.data();
    for (const auto piece : pieces) {
      require(piece.data() >= at && piece.data() + piece.size() <= input.data() + consumed);
      at = piece.data() + piece.size();
      outcome_.content += piece;
    }
    outcome_.consumed += consumed;
  }

  Outcome end() {
    if (outcome_.status == Status::Done) outcome_.trailers = text_of(decoder_.trailers());
    return outcome_;
  }

 private:
  BodyDecoder decoder_;
  Outcome outcome_;
};

void require_same(const Outcome& a, const Outcome& b) {
  require(a.status == b.status && a.content == b.content && a.trailers == b.trailers);
  require(a.status == Status::Bad || a.consumed == b.consumed);  // how far it got into what is bad depends on the cut
}

void require_same_as_beast(std::string_view input, const Outcome& outcome) {
  const naive::BeastOutcome beast = naive::decode_with_beast(input);
  require(outcome.content == beast.content);
  if (outcome.status == Status::Bad) return require(naive::is_refused_by_beast(input));
  require(outcome.status == beast.status && outcome.consumed == beast.consumed);
  require(outcome.status != Status::Done || outcome.trailers == text_of(beast.trailers));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  constexpr Framing kFramings[] = {Framing::Chunked, Framing::Chunked, Framing::Length, Framing::UntilClose,
                                   Framing::None};
  const Framing framing = kFramings[data[2] % 5];
  const std::uint64_t length = data[2] / 5;
  const std::string_view input(reinterpret_cast<const char*>(data) + 3, size - 3);

  Body whole(framing, length);
  whole.take(input);
  const std::size_t cut = (data[0] | data[1] << 8) % (input.size() + 1);
  Body halves(framing, length);
  for (const auto part : {input.substr(0, cut), input.substr(cut)}) halves.take(part);
  Body bytes(framing, length);
  for (std::size_t i = 0; i < input.size(); ++i) bytes.take(input.substr(i, 1));

  const auto expected = whole.end();
  require_same(expected, halves.end());
  require_same(expected, bytes.end());
  if (framing == Framing::Chunked) require_same_as_beast(input, expected);
  return 0;
}

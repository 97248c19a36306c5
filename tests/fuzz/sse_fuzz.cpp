// SPDX-License-Identifier: Apache-2.0
// SseObserver on any bytes, cut at any places: it agrees with a client written the slow way (wire/naive_sse.h), a
// comment at a boundary that it claims changes no event whatever follows, and neither does a comment line at a line
// start.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/wire/sse_observer.h"
#include "tests/wire/naive_sse.h"

namespace naive = limpet::wire::naive;
using limpet::wire::SseObserver;

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

void require_harmless(std::string_view known, std::size_t at, std::string_view inserted, std::string_view rest) {
  // Before the first byte the observer cannot know of a byte order mark.
  if (at == 0 && (known.empty() || known.front() == '\xef')) return;
  for (const std::string_view future : {rest, std::string_view("\n\ndata: z\n\n"), std::string_view("data: z\r\r")}) {
    const std::string stream = std::string(known).append(future);
    require(naive::read(naive::with(stream, at, inserted)) == naive::read(stream));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 1024) return 0;
  FuzzedDataProvider input(data, size);
  std::vector<std::size_t> cuts(input.ConsumeIntegralInRange<std::size_t>(0, 6));
  for (auto& cut : cuts) cut = input.ConsumeIntegral<std::uint8_t>();
  const std::string text = input.ConsumeRemainingBytesAsString();
  const std::string_view stream = text;
  cuts.push_back(stream.size());
  std::sort(cuts.begin(), cuts.end());

  SseObserver observer;
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    const std::size_t end = std::min(cut, stream.size());
    const std::string_view known = stream.substr(0, end);
    const auto seen = observer.observe(stream.substr(begin, end - begin));
    const auto places = naive::places(known);
    const auto client = naive::read(known);

    std::size_t first = SseObserver::kNone;
    for (const std::size_t place : places.between_events) {
      if (place >= begin) first = std::min(first, place - begin);
    }
    require(seen.first_boundary == first);
    require(seen.events == client.events.size() - naive::read(stream.substr(0, begin)).events.size());
    require(observer.retry_ms() == client.retry_ms);
    require(observer.cr_pending() == known.ends_with('\r'));
    require(observer.between_events() == naive::has(places.between_events, end));
    require(observer.at_line_start() == naive::has(places.line_starts, end));

    if (first != SseObserver::kNone) require_harmless(known, begin + first, ":\n\n", stream.substr(end));
    if (observer.at_line_start()) require_harmless(known, end, ":\n", stream.substr(end));
    begin = end;
  }
  return 0;
}

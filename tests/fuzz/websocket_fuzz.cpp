// SPDX-License-Identifier: Apache-2.0
// WebSocketObserver on any bytes, cut at any places: after each piece it knows what a walk over the whole
// (wire/websocket/naive_websocket.h) says. And what append_close and append_ping write reads back.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/wire/websocket/observer.h"
#include "tests/wire/websocket/naive_websocket.h"

namespace naive = limpet::wire::naive;
using From = limpet::wire::WebSocketObserver::From;
using What = limpet::wire::WebSocketObserver::What;

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

void check_own_frames(FuzzedDataProvider& input, From from) {
  const std::uint8_t bytes[4] = {input.ConsumeIntegral<std::uint8_t>(), input.ConsumeIntegral<std::uint8_t>(),
                                 input.ConsumeIntegral<std::uint8_t>(), input.ConsumeIntegral<std::uint8_t>()};
  const std::uint8_t* mask = from == From::Client ? bytes : nullptr;
  const auto code = input.ConsumeIntegral<std::uint16_t>();
  const std::string reason = input.ConsumeRandomLengthString(200);
  std::string out;
  limpet::wire::append_ping(out, std::string_view(reason).substr(0, 125), mask);
  limpet::wire::append_close(out, code, reason, mask);
  naive::Watched watched(from);
  watched.feed(out);
  require(watched.agrees_with(naive::walk(out, from)) && watched.frames.size() == 2);
  require(watched.frames[0].what == What::Ping && watched.frames[0].control == reason.substr(0, 8));
  require(watched.frames[1].what == What::Close && watched.frames[1].close_code == code);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const From from = input.ConsumeBool() ? From::Client : From::Backend;
  if (input.ConsumeIntegral<std::uint8_t>() == 0) check_own_frames(input, from);
  std::vector<std::size_t> cuts(input.ConsumeIntegralInRange<std::size_t>(0, 6));
  for (auto& cut : cuts) cut = input.ConsumeIntegral<std::uint8_t>();
  const std::string stream = input.ConsumeRemainingBytesAsString();
  cuts.push_back(stream.size());
  std::sort(cuts.begin(), cuts.end());

  naive::Watched watched(from);
  std::size_t begin = 0;
  for (const std::size_t cut : cuts) {
    const std::size_t end = std::min(cut, stream.size());
    watched.feed(std::string_view(stream).substr(begin, end - begin));
    begin = end;
    require(watched.agrees_with(naive::walk(std::string_view(stream).substr(0, end), from)));
  }
  return 0;
}

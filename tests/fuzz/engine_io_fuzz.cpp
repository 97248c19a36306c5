// SPDX-License-Identifier: Apache-2.0
// Engine.IO bodies and queries of any bytes: a sid once found in a beginning stays the same with more, it is plain, it
// stands in the body, and a handshake made of it gives it back. A close packet has one of four forms, whatever the
// query.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "proxy/wire/engine_io.h"

using limpet::wire::engine_io_close;
using limpet::wire::engine_io_sid;

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

void check_sid(std::string_view body, std::size_t cut) {
  const auto whole = engine_io_sid(body);
  const auto beginning = engine_io_sid(body.substr(0, cut));
  if (beginning) require(beginning == whole);
  if (!whole) return;
  require(!whole->empty() && whole->size() <= 128 && body.find(*whole) != std::string_view::npos);
  require(std::all_of(whole->begin(), whole->end(), [](char c) { return c > 32 && c < 127 && c != '"' && c != '\\'; }));
  require(engine_io_sid("0{\"sid\":\"" + *whole + "\"") == whole);
  require(engine_io_sid("___eio[0](\"97:0{\\\"sid\\\":\\\"" + *whole + "\\\"") == whole);
}

void check_close(std::string_view query) {
  const auto close = engine_io_close(query);
  std::string_view body = close.body;
  if (close.content_type == "text/javascript; charset=UTF-8") {
    require(body.starts_with("___eio[") && body.ends_with("\");"));
    body.remove_prefix(7);
    body.remove_suffix(3);
    const auto index = body.substr(0, body.find(']'));
    require(!index.empty() && index.find_first_not_of("0123456789") == std::string_view::npos);
    body.remove_prefix(index.size());
    require(body.starts_with("](\""));
    body.remove_prefix(3);
  } else {
    require(close.content_type == "text/plain; charset=UTF-8");
  }
  require(body == "1" || body == "1:1");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto cut = input.ConsumeIntegral<std::uint8_t>();
  const std::string text = input.ConsumeRemainingBytesAsString();
  check_sid(text, cut);
  check_sid("0{\"sid\":\"" + text, cut);
  check_sid("___eio[1](\"" + text, cut);
  check_close(text);
  check_close("EIO=3&j=" + text);
  return 0;
}

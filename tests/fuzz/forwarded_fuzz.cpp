// SPDX-License-Identifier: Apache-2.0
// Forwarded elements of any bytes obey the grammar and read back (wire/http/naive_forwarded.h); hops are trimmed, hold
// no comma, and are the same whether a list comes in one field or, cut at its commas, in several.
#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "proxy/wire/http/forwarded.h"
#include "tests/wire/http/naive_forwarded.h"

namespace naive = limpet::wire::naive;
using limpet::wire::Fields;
using limpet::wire::forwarded_element;
using limpet::wire::forwarded_for_hops;
using limpet::wire::strip_port;

namespace {

void require(bool claim) {
  if (!claim) std::abort();
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return (c >= 0 && c < 32 && c != '\t') || c == 127; });
}

void check_element(const std::string& for_ip, const std::string& host, const std::string& proto) {
  const auto pairs = naive::read_element(forwarded_element(for_ip, host, proto));
  require(pairs.has_value() && !pairs->empty());
  const std::string node = for_ip.empty() || has_control(for_ip) ? "unknown" : for_ip;
  require(pairs->front().first == "for");
  require(pairs->front().second == node || pairs->front().second == "[" + node + "]");
  naive::Pairs rest;
  if (!host.empty() && !has_control(host)) rest.emplace_back("host", host);
  if (!proto.empty() && !has_control(proto)) rest.emplace_back("proto", proto);
  require(std::equal(pairs->begin() + 1, pairs->end(), rest.begin(), rest.end()));
}

void check_hops(const std::string& list, std::size_t cut) {
  Fields one, several;
  one.add("X-Forwarded-For", list);
  const auto hops = forwarded_for_hops(one);
  const std::size_t comma = list.find(',', std::min(cut, list.size()));
  if (comma != std::string::npos) {
    several.add("X-Forwarded-For", list.substr(0, comma));
    several.add("x-forwarded-for", list.substr(comma + 1));
    require(forwarded_for_hops(several) == hops);
  }
  for (const std::string& hop : hops) {
    const std::string_view edge = " \t,";
    require(!hop.empty() && hop.find(',') == std::string::npos);
    require(edge.find(hop.front()) == std::string_view::npos && edge.find(hop.back()) == std::string_view::npos);
    const std::string host = strip_port(hop);
    require(!host.empty() && hop.find(host) != std::string::npos);
    if (host != hop) require(strip_port("[" + host + "]:80") == host || host.find(']') != std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input(data, size);
  const auto cut = input.ConsumeIntegral<std::uint8_t>();
  const std::string for_ip = input.ConsumeRandomLengthString(64);
  const std::string host = input.ConsumeRandomLengthString(64);
  const std::string text = input.ConsumeRemainingBytesAsString();
  check_element(for_ip, host, text);
  check_element(text, for_ip, host);
  check_hops(text, cut);
  return 0;
}

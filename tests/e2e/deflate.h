// SPDX-License-Identifier: Apache-2.0
// permessage-deflate (RFC 7692) with context takeover in both directions, one window of 2^10 bytes each, so that
// thousands of endpoints fit into one test process. A byte that is lost, doubled or inserted by a proxy breaks the
// stream for good: that is the point.
#pragma once

#include <zlib.h>

#include <optional>
#include <string>
#include <string_view>

namespace limpet::e2e {

constexpr const char* kDeflateOffer = "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10";

class Deflater {
 public:
  Deflater();
  ~Deflater() { deflateEnd(&stream_); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  std::string compress(std::string_view message);

 private:
  z_stream stream_{};
};

class Inflater {
 public:
  Inflater();
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  std::optional<std::string> decompress(std::string_view message);  // nothing where it is no deflate stream

 private:
  z_stream stream_{};
};

}  // namespace limpet::e2e

// SPDX-License-Identifier: Apache-2.0
// RFC 7692 §7.2.1: raw deflate, ended by a sync flush whose four octets 00 00 ff ff are left out; §7.2.2 puts them
// back.
#include "tests/e2e/deflate.h"

#include <array>

namespace limpet::e2e {
namespace {

constexpr std::string_view kTail{"\x00\x00\xff\xff", 4};

Bytef* input(std::string_view bytes) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
}

}  // namespace

Deflater::Deflater() {
  deflateInit2(&stream_, 1, Z_DEFLATED, -10, 1, Z_DEFAULT_STRATEGY);
}

std::string Deflater::compress(std::string_view message) {
  std::string result;
  std::array<char, 16384> buffer;
  stream_.next_in = input(message);
  stream_.avail_in = static_cast<uInt>(message.size());
  do {
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = buffer.size();
    deflate(&stream_, Z_SYNC_FLUSH);
    result.append(buffer.data(), buffer.size() - stream_.avail_out);
  } while (stream_.avail_out == 0);
  if (result.size() >= kTail.size()) result.resize(result.size() - kTail.size());
  return result;
}

Inflater::Inflater() {
  inflateInit2(&stream_, -10);
}

std::optional<std::string> Inflater::decompress(std::string_view message) {
  std::string result;
  std::array<char, 16384> buffer;
  for (const std::string_view part : {message, kTail}) {
    stream_.next_in = input(part);
    stream_.avail_in = static_cast<uInt>(part.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream_.avail_out = buffer.size();
      const int code = inflate(&stream_, Z_SYNC_FLUSH);
      if (code != Z_OK && code != Z_BUF_ERROR) return std::nullopt;
      result.append(buffer.data(), buffer.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
    if (stream_.avail_in != 0) return std::nullopt;
  }
  return result;
}

}  // namespace limpet::e2e

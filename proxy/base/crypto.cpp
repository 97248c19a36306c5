// SPDX-License-Identifier: Apache-2.0
// Randomness, SHA-1 and comparison come from OpenSSL; base64 (RFC 4648 §4, §5) is a table each way, since OpenSSL's own
// decoder forgives too much. Any thread.
#include "proxy/base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstdlib>
#include <memory>

namespace limpet {

namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrlSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Values = std::array<std::int8_t, 256>;

constexpr Values values_of(std::string_view alphabet) {
  Values values{};
  for (auto& value : values) value = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}

// Without padding. The spare bits of the last character are not looked at, as most decoders do.
std::optional<std::string> decode(std::string_view text, const Values& values) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out(text.size() * 3 / 4, '\0');
  char* to = out.data();
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const unsigned char c : text) {
    if (values[c] < 0) return std::nullopt;
    bits = bits << 6 | static_cast<std::uint32_t>(values[c]);
    held += 6;
    if (held >= 8) {
      held -= 8;
      *to++ = static_cast<char>(bits >> held & 0xff);
    }
  }
  return out;
}

}  // namespace

namespace {

void draw(unsigned char* to, std::size_t size) {
  while (size > 0) {
    const auto part = std::min<std::size_t>(size, INT_MAX);
    if (RAND_bytes(to, static_cast<int>(part)) != 1) std::abort();
    to += part;
    size -= part;
  }
}

// A call of RAND_bytes costs the same for 8 bytes as for some hundred: small wishes are served from one draw. What has
// been handed out is wiped.
struct Stock {
  std::array<unsigned char, 512> bytes;
  std::size_t used = sizeof bytes;
};

}  // namespace

void random_bytes(void* to, std::size_t size) {
  thread_local Stock stock;
  auto* at = static_cast<unsigned char*>(to);
  if (size > stock.bytes.size() / 4) return draw(at, size);
  if (stock.used + size > stock.bytes.size()) {
    draw(stock.bytes.data(), stock.bytes.size());
    stock.used = 0;
  }
  unsigned char* from = stock.bytes.data() + stock.used;
  std::copy(from, from + size, at);
  std::fill(from, from + size, 0);
  stock.used += size;
}

std::uint64_t random64() {
  std::uint64_t value = 0;
  random_bytes(&value, sizeof value);
  return value;
}

double random_fraction() {
  return static_cast<double>(random64() >> 11) * 0x1p-53;
}

std::array<char, 20> sha1(std::string_view data) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  // Fetched and allocated once: either costs as much as the digest itself.
  static EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  std::array<char, 20> digest;
  unsigned size = 0;
  const bool ok = EVP_DigestInit_ex(context.get(), kSha1, nullptr) == 1 &&
                  EVP_DigestUpdate(context.get(), data.data(), data.size()) == 1 &&
                  EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size) == 1;
  if (!ok || size != digest.size()) std::abort();
  return digest;
}

std::string base64_encode(std::string_view data) {
  std::string out((data.size() + 2) / 3 * 4, '=');
  char* to = out.data();
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const std::size_t size = std::min<std::size_t>(data.size() - i, 3);
    const auto byte = [&](std::size_t k) -> std::uint32_t {
      return k < size ? static_cast<unsigned char>(data[i + k]) : 0U;
    };
    const std::uint32_t bits = byte(0) << 16 | byte(1) << 8 | byte(2);
    for (std::size_t k = 0; k <= size; ++k) to[k] = kStandard[bits >> (18 - 6 * k) & 63];
    to += 4;
  }
  return out;
}

std::optional<std::size_t> base64_size(std::string_view text) {
  static constexpr Values kValues = values_of(kStandard);
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  for (const unsigned char c : text) {
    if (kValues[c] < 0) return std::nullopt;
  }
  return text.size() * 3 / 4;
}

std::optional<std::string> base64url_decode(std::string_view text) {
  static constexpr Values kValues = values_of(kUrlSafe);
  return decode(text, kValues);
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace limpet

// SPDX-License-Identifier: Apache-2.0
// version: limpet's version and build, and the versions of the libraries in it. The one file that may include any
// third-party header (scripts/check-floors), to ask for its version and nothing else.
#include <event2/event.h>
#include <openssl/crypto.h>
#include <spdlog/version.h>
#include <xxhash.h>

#include <boost/version.hpp>

#include "proxy/base/version.h"
#include "proxy/cli/commands.h"
#include "proxy/cli/json.h"

namespace limpet::cli {

namespace {

std::string dotted(unsigned major, unsigned minor, unsigned patch) {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

std::string build_text() {
#if defined(__clang__)
  std::string text = "clang " __clang_version__;
#else
  std::string text = "gcc " __VERSION__;
#endif
#ifdef NDEBUG
  return text + ", release";
#else
  return text + ", with assertions";
#endif
}

}  // namespace

int version_command(Console& console, const VersionOptions& options) {
  const unsigned xxhash = XXH_versionNumber();
  const std::vector<std::pair<std::string, std::string>> libraries = {
      {"libevent", event_get_version()},
      {"liburing", LIBURING_VERSION},
      {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
      {"boost", dotted(BOOST_VERSION / 100000, BOOST_VERSION / 100 % 1000, BOOST_VERSION % 100)},
      {"nlohmann_json", json_library_version()},
      {"cli11", options.cli11},
      {"spdlog", dotted(SPDLOG_VER_MAJOR, SPDLOG_VER_MINOR, SPDLOG_VER_PATCH)},
      {"xxhash", dotted(xxhash / 10000, xxhash / 100 % 100, xxhash % 100)},
  };
  const std::string version(kVersion);
  if (options.json) {
    console.out << version_json(version, build_text(), libraries) << '\n';
    return kDone;
  }
  console.out << "limpet " << version << "\nbuilt by " << build_text() << "\nwith ";
  for (std::size_t i = 0; i < libraries.size(); ++i) {
    console.out << (i == 0 ? "" : ", ") << libraries[i].first << ' ' << libraries[i].second;
  }
  console.out << '\n';
  return kDone;
}

}  // namespace limpet::cli

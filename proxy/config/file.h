// SPDX-License-Identifier: Apache-2.0
// A file that is read on the control path, closed by itself: the configuration, and a token that it names.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace limpet::config {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// Null where it cannot be opened (errno).
inline File open_to_read(const std::string& path) {
  return File(std::fopen(path.c_str(), "re"));
}

}  // namespace limpet::config

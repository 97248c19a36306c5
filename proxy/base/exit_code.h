// SPDX-License-Identifier: Apache-2.0
// What the limpet command exits with: 0, 2, or one of sysexits.h's codes. Scripts rely on these; the README lists them.
#pragma once

namespace limpet {

enum ExitCode : int {
  kDone = 0,
  kSessionsCut = 2,   // done, but sessions were cut
  kUsage = 64,        // usage, or an unknown name
  kNoInput = 66,      // a file cannot be read
  kUnavailable = 69,  // the proxy cannot be reached, or refuses
  kInternal = 70,
  kNoPermission = 77,
  kBadConfig = 78,
};

}  // namespace limpet

// SPDX-License-Identifier: Apache-2.0
// The conventional process_* families, read from /proc/self at each scrape (proc(5)). What cannot be read is left out.
#pragma once

#include "metrics/sheet.h"

namespace limpet::metrics {

void write_process_families(Sheet& sheet);

}  // namespace limpet::metrics

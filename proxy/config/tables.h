// SPDX-License-Identifier: Apache-2.0
// Every table and key of the configuration. A Draft is what the tables say before the checks across them
// (checks.cpp); its vectors have one element for each [[…]] of the file, in its order. Control path only.
#pragma once

#include <vector>

#include "proxy/config/reader.h"
#include "proxy/session/settings.h"

namespace limpet::config {

struct Draft {
  session::ProxySettings proxy;
  session::AdminSettings admin;
  session::LogSettings log;
  std::vector<session::ListenerSettings> listeners;
  std::vector<session::RouteSettings> routes;
  std::vector<session::PoolSettings> pools;
};

TableReader<Draft> root_table();

// Duplicates, references to what does not exist, and what only the whole shows. `root` is what `draft` was read from.
void check_whole_configuration(Reader& reader, const Node& root, const Draft& draft);

}  // namespace limpet::config

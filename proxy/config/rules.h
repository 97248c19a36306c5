// SPDX-License-Identifier: Apache-2.0
// The rules for values that mean something to a proxy: addresses, names, hosts, paths, key sources and the like. Those
// for plain values are in reader.h. Addresses that are host names are resolved here, blocking, once.
#pragma once

#include "proxy/config/reader.h"

namespace limpet::config {

// Texts.
TextCheck good_name();             // of a listener, pool or backend
TextCheck route_path();            // a prefix of a normalised path
TextCheck request_path();          // of a health check's request
TextCheck request_host();          // likewise; "": none
TextCheck cookie_path();           // an attribute of Set-Cookie
TextCheck access_log();            // off, stdout or a path
Rule<std::string> origin();        // becomes lower case, as browsers send it
Rule<std::string> host_pattern();  // becomes lower case

// Addresses and files.
Rule<std::vector<net::Address>> addresses();  // to bind: one or a list
Rule<net::Address> backend_address();
Rule<std::string> address_text();  // a valid address or "", kept as it is written
Rule<std::string> socket_path();
Rule<std::string> token_file();  // becomes the file's content
Rule<unsigned> file_mode();
Rule<net::Cidr> cidr();

// Others.
Rule<double> load_factor();
Rule<std::uint16_t> close_code();
Rule<session::KeySource> key_source();
Rule<session::LearnSource> learn_source();

}  // namespace limpet::config

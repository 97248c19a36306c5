// SPDX-License-Identifier: Apache-2.0
// See test_headers.h.

# SPDX-License-Identifier: Apache-2.0
# What the control client is linked with, besides the libraries in worker/deps.mk. Format: see .mk/fetch.sh.

# The source tree; its amalgamation is made with tclsh when it is built.
sqlite_VERSION := 3.46.1
sqlite_FILE := sqlite3_3.46.1.orig.tar.xz
sqlite_SHA256 := d0cdd2ece271b29e7ce18095745d892517ee26d0f270065b3a25c2e9eb11639c
sqlite_LICENCE := blessing
sqlite_FROM := trixie source sqlite3
sqlite_FALLBACK_VERSION := 3.40.1
sqlite_FALLBACK_FILE := sqlite3_3.40.1.orig.tar.xz
sqlite_FALLBACK_SHA256 := aaa776260ab4dc976db34aa7891819484c8676b5b2783123ebc6301e2ca5d655
sqlite_FALLBACK_FROM := bookworm source sqlite3

# clouds.yaml. Both suites have the same source.
yaml_VERSION := 0.2.5
yaml_FILE := libyaml_0.2.5.orig.tar.gz
yaml_SHA256 := fa240dbf262be053f3898006d502d514936c818e422afdcf33921c63bed9bf2e
yaml_LICENCE := MIT
yaml_FROM := trixie source libyaml
yaml_FALLBACK_VERSION := 0.2.5
yaml_FALLBACK_FILE := libyaml_0.2.5.orig.tar.gz
yaml_FALLBACK_SHA256 := fa240dbf262be053f3898006d502d514936c818e422afdcf33921c63bed9bf2e
yaml_FALLBACK_FROM := bookworm source libyaml

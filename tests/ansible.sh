#!/usr/bin/env bash
# Installs the ansible with which a test uses the inventory that a cluster gives out:
#
#   ansible.sh BUILD
set -euo pipefail

[ $# = 1 ] || { echo "usage: ansible.sh BUILD" >&2; exit 2; }
cd "$(dirname "$0")/.."
tests/host-packages.sh languages
python3 -m venv "$1/ansible"
"$1/ansible/bin/pip" install -q --disable-pip-version-check ansible-core==2.17.7

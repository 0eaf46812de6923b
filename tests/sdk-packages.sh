#!/usr/bin/env bash
# Packs the SDKs as a release does, and installs each as a user would:
#
#   sdk-packages.sh BUILD
#
# BUILD/packages: the npm tarball, and in python/ the wheel. BUILD/sdk: a node_modules, a venv and a Maven repository that have
# them, and what the examples and the type checkers need besides.
set -euo pipefail

[ $# = 1 ] || { echo "usage: sdk-packages.sh BUILD" >&2; exit 2; }
mkdir -p "$1"
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
rm -rf "$build/sdk" "$build/packages"
mkdir -p "$build/packages" "$build/sdk/nodejs" "$build/sdk/src"

tests/host-packages.sh languages
export PATH="$build/bin:$PATH"
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  echo "npm: Node.js 22, for Pulumi's SDK is too new for $(node --version)"
  npm install --no-audit --no-fund --loglevel=error --prefix "$build/node" "node-linux-$(node -p process.arch)@22.21.1"
  ln -sfn "$build/node/node_modules/node-linux-$(node -p process.arch)/bin/node" "$build/bin/node"
fi

echo "npm: pack"
cp -r sdk/nodejs sdk/python sdk/java "$build/sdk/src/"
(
  cd "$build/sdk/src/nodejs"
  npm install --no-audit --no-fund --loglevel=error
  npx tsc
)
cp sdk/nodejs/package.json sdk/nodejs/README.md LICENSE "$build/sdk/src/nodejs/bin/"
npm pack --loglevel=error --pack-destination "$build/packages" "$build/sdk/src/nodejs/bin" > /dev/null

echo "npm: install"
cat > "$build/sdk/nodejs/package.json" << EOF
{
  "private": true,
  "dependencies": {
    "@k3sha/pulumi-k3sha": "file:$(echo "$build"/packages/*.tgz)",
    "@pulumi/kubernetes": "4.21.1",
    "@pulumi/pulumi": "3.256.0",
    "@types/node": "20.19.0",
    "typescript": "5.9.3"
  }
}
EOF
(cd "$build/sdk/nodejs" && npm install --no-audit --no-fund --loglevel=error)

echo "Python: wheel"
python3 -m venv "$build/sdk/python"
pip="$build/sdk/python/bin/pip --disable-pip-version-check --quiet"
$pip wheel --no-deps --wheel-dir "$build/packages/python" "$build/sdk/src/python"

echo "Python: install"
$pip install "$build"/packages/python/*.whl pulumi==3.256.0 pulumi-kubernetes==4.21.1 mypy==1.18.2

echo "Maven: install"
mvn --batch-mode --quiet -Dmaven.repo.local="$build/sdk/m2" -f "$build/sdk/src/java/pom.xml" install

# Everything that a fresh Debian 12 with Go, git and make needs, as root: make demo, make test. make help lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules
.DEFAULT_GOAL := help

B := $(CURDIR)/build
VERSION := $(shell sed -n 's/^var Version = "\(.*\)"/\1/p' provider/provider.go)
PULUMI := v3.256.0
K3S := v1.31.6+k3s1
K3S_NEXT := v1.31.7+k3s1
K3S_MINOR := v1.32.6+k3s1
export LAB_BUILD := $(B)
export CGO_ENABLED := 0
export PATH := $(B)/bin:$(PATH)

GO_BUILD := go build -trimpath -ldflags "-s -w"
SOURCES = $(shell find $(1) -name '*.go' -o -name go.mod -o -name go.sum -o -path '*/files/*' -o -name '*.json')

.PHONY: help
help: ## what there is to make
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

## ---- what is built

.PHONY: build
build: plugin lab-parts ## the plugin and all that the lab needs

.PHONY: plugin
plugin: $(B)/plugins/pulumi-resource-k3sha ## the plugin alone

$(B)/plugins/pulumi-resource-k3sha: $(call SOURCES,provider) go.mod go.sum
	$(GO_BUILD) -o $@ ./provider/cmd/pulumi-resource-k3sha

$(B)/plugins/pulumi-resource-command: $(call SOURCES,tests/plugins/command)
	cd tests/plugins/command && $(GO_BUILD) -o $@ .

$(B)/plugins/pulumi-resource-proxmoxve: $(call SOURCES,tests/plugins/proxmoxve)
	cd tests/plugins/proxmoxve && $(GO_BUILD) -o $@ .

# The same tokens on bpg v0.111.1, which users may pass as an explicit provider.
$(B)/newer/pulumi-resource-proxmoxve: $(call SOURCES,tests/plugins/proxmoxve) tests/plugins/proxmoxve/newer.mod
	cd tests/plugins/proxmoxve && $(GO_BUILD) -modfile=newer.mod -tags newer -o $@ .

$(B)/bin/pulumi: tests/tools/pulumi/go.mod
	cd tests/tools/pulumi && go build -mod=mod -trimpath -ldflags "-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$(PULUMI)" -o $@ github.com/pulumi/pulumi/pkg/v3/cmd/pulumi

$(B)/bin/pulumi-language-yaml: tests/tools/pulumi/go.mod
	cd tests/tools/pulumi && go build -mod=mod -trimpath -ldflags "-s -w" -o $@ github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml

$(B)/bin/golangci-lint: tests/tools/lint/go.mod
	cd tests/tools/lint && go build -mod=mod -trimpath -ldflags "-s -w" -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(B)/bin/lab: $(call SOURCES,tests/lab)
	cd tests/lab && $(GO_BUILD) -o $@ ./cmd/lab

$(B)/bin/s3: $(call SOURCES,tests/s3)
	cd tests/s3 && $(GO_BUILD) -o $@ .

$(B)/k3s/%/k3s: $(call SOURCES,tests/k3s) tests/k3s/build.sh tests/k3s/install.sh | host-packages
	tests/k3s/build.sh $* $(B)/k3s

$(B)/bin/kubectl: $(B)/k3s/$(K3S)/k3s
	mkdir -p $(@D)
	ln -sfn ../k3s/$(K3S)/k3s $@

$(B)/rootfs/etc: tests/lab/rootfs.sh | host-packages
	mkdir -p $(B)
	tests/lab/rootfs.sh $(B)
	touch $@

# Ubuntu 24.04 for the VMs, in place of Debian 12.
$(B)/noble/rootfs/etc: tests/lab/rootfs.sh tests/lab/ubuntu-archive.asc | host-packages
	mkdir -p $(B)/noble
	tests/lab/rootfs.sh $(B)/noble noble
	touch $@

$(B)/bin/langhost: $(call SOURCES,tests/tools/langhost) tests/tools/langhost/run.py
	cd tests/tools/langhost && $(GO_BUILD) -o $@ .
	for language in go nodejs python java; do ln -sfn langhost $(@D)/pulumi-language-$$language; done

$(B)/sdk/ready: tests/sdk-packages.sh tests/host-packages.sh $(shell find sdk -type f)
	tests/sdk-packages.sh $(B)
	touch $@

$(B)/ansible/bin/ansible: tests/ansible.sh tests/host-packages.sh
	tests/ansible.sh $(B)
	touch $@

.PHONY: sdk-packages
sdk-packages: $(B)/sdk/ready ## the SDKs as npm tarball, wheel and Maven artifact, installed as users would

.PHONY: lab-parts
lab-parts: host-packages $(B)/plugins/pulumi-resource-command $(B)/plugins/pulumi-resource-proxmoxve $(B)/bin/pulumi \
	$(B)/bin/pulumi-language-yaml $(B)/bin/lab $(B)/bin/s3 $(B)/bin/kubectl $(B)/k3s/$(K3S_NEXT)/k3s $(B)/rootfs/etc

.PHONY: host-packages
host-packages:
	@tests/host-packages.sh

## ---- the demo

.PHONY: demo
demo: build ## a whole cluster on this machine: lab, pulumi up, kubectl get nodes
	lab demo

.PHONY: demo-shell
demo-shell: ## a shell in the demo's network, with KUBECONFIG set
	lab demo-shell

.PHONY: demo-down
demo-down: ## end the demo
	lab down

.PHONY: drill
drill: build ## every failure caused on a cluster in a lab of its own, beside a naive configuration: build/drill.json, build/drill.svg; 40 minutes
	LAB_NAME=drill lab drill

.PHONY: bench
bench: build ## the figures: demo (warm, five times), preview, second up, memory
	tests/bench.sh

## ---- tests

.PHONY: test-unit
test-unit: ## the part that needs neither root nor Linux
	go test ./...
	cd tests/lab && go test ./pve/...
	cd tests/k3s && go test ./cri/

.PHONY: test
test: lint test-unit build $(B)/bin/sdkgen $(B)/bin/langhost $(B)/sdk/ready ## all that a change must pass
	cd tests/tools/sdkgen && go test ./...
	$(MAKE) --no-print-directory release-snapshot
	cd tests/lab && go test -count=1 -timeout 40m -run 'TestLab' -v ./e2e/

.PHONY: bench-preview
bench-preview: build $(B)/bin/langhost ## preview and up of hundreds of workers, beside a plain program
	cd tests/lab && go test -count=1 -timeout 60m -run TestScale -v ./e2e/

.PHONY: bench-life
bench-life: build $(B)/bin/langhost ## machines lost and replaced, servers more and fewer; beside the version before, whose commit is BEFORE
	tests/plugin-of.sh $(BEFORE) $(B)/before
	cd tests/lab && LAB_BEFORE=$(B)/before go test -count=1 -timeout 90m -run 'TestBenchLife|TestBenchRolls|TestBenchRegistries|TestLongLife' -v ./e2e/

# The commit of the version before identities, instances and seats.
BEFORE := 3911a38

# Groups of the long runs: LONG=TestLongGates make test-long
LONG := TestLong

.PHONY: test-long
test-long: build $(B)/bin/langhost $(B)/ansible/bin/ansible $(B)/sdk/ready $(B)/k3s/$(K3S_MINOR)/k3s ## the long runs: losses, forks, troubles, adoption, interruptions, restarts, generations, changes, snapshots, the drill, growth, upgrades, gates, privileges, languages, traffic, hardware, outputs, what is around k3s, data disks, the roads to a cluster
	cd tests/lab && go test -count=1 -timeout 180m -run '$(value LONG)' -v ./e2e/

.PHONY: test-newer
test-newer: build $(B)/newer/pulumi-resource-proxmoxve ## the reference cluster with the newest Proxmox VE provider
	cd tests/lab && LAB_PLUGINS=$(B)/newer LAB_NEWER=yes go test -count=1 -timeout 20m -run 'TestLabReferenceCluster|TestLabHalfMade' -v ./e2e/

.PHONY: test-ubuntu
test-ubuntu: build $(B)/noble/rootfs/etc ## the reference cluster on VMs with Ubuntu 24.04
	cd tests/lab && LAB_SYSTEM=noble go test -count=1 -timeout 20m -run 'TestLabReferenceCluster' -v ./e2e/

.PHONY: test-released
test-released: build $(B)/bin/langhost $(B)/ansible/bin/ansible $(B)/sdk/ready $(B)/k3s/$(K3S_MINOR)/k3s ## the end-to-end tests with the released plugins: from LAB_PLUGINS, else fetched by pulumi plugin install
	tests/released-plugins.sh $(B)/released
	cd tests/lab && LAB_PLUGINS=$${LAB_PLUGINS:-$(B)/released} go test -count=1 -timeout 80m -run '$(or $(RUN),TestLab|TestLong)' -v ./e2e/

.PHONY: test-all
test-all: test release-all test-long test-newer test-ubuntu ## all of it, but for the released plugins

.PHONY: mutate
mutate: ## break the code in one line after the other: the fast tests must fail
	go run ./tests/mutate

.PHONY: mutate-e2e
mutate-e2e: build $(B)/bin/langhost $(B)/sdk/ready ## and those lines that a lab alone sees
	go run ./tests/mutate -e2e

.PHONY: lint
lint: host-packages $(B)/bin/golangci-lint ## linters, shellcheck, haproxy -c, keepalived -t
	golangci-lint run ./...
	for module in tests/lab tests/tools/sdkgen tests/tools/langhost tests/k3s/containerd; do (cd $$module && golangci-lint run --config $(CURDIR)/.golangci.yml ./...); done
	cd tests/k3s && golangci-lint run --config $(CURDIR)/.golangci.yml ./cri/
	shellcheck tests/*.sh tests/lab/*.sh tests/k3s/*.sh
	go test -count=1 -tags checks ./provider/internal/render/

.PHONY: golden
golden: ## write the golden files anew
	go test ./provider/internal/render/ -update

.PHONY: schema
schema: ## write schema.json anew
	go test ./tests/ -run TestSchemaIsCurrent -update

.PHONY: sdk
sdk: $(B)/bin/sdkgen ## write the SDKs in sdk/ anew from schema.json
	sdkgen schema.json sdk
	cd sdk/go/k3sha && go mod tidy

$(B)/bin/sdkgen: $(call SOURCES,tests/tools/sdkgen) $(wildcard tests/tools/sdkgen/files/*/*)
	cd tests/tools/sdkgen && $(GO_BUILD) -o $@ .

## ---- releases

.PHONY: version
version:
	@echo $(VERSION)

.PHONY: release-snapshot
release-snapshot: ## the plugin's tarball for this machine, with checksums, in build/release
	tests/release.sh $(VERSION) $(B)/release linux/$(shell go env GOARCH)

.PHONY: release-all
release-all: ## and those for all platforms
	tests/release.sh $(VERSION) $(B)/release linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: sdk-dotnet
sdk-dotnet: $(B)/bin/sdkgen ## the .NET SDK, which is not kept in sdk/
	sdkgen --dotnet schema.json $(B)/sdk-dotnet

.PHONY: record
record: build ## for a release: keep its schema and the state of the reference cluster, to test later versions against
	mkdir -p tests/recorded/$(VERSION)
	cp schema.json tests/recorded/$(VERSION)/schema.json
	cd tests/lab && go test -count=1 -run TestRecordState -v ./e2e/ -record $(CURDIR)/tests/recorded/$(VERSION)/state.json

.PHONY: clean
clean: ## remove what was built
	rm -rf $(B)

package main

import (
	"context"
	"errors"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// noPackages is the loader for a schema that refers to no other.
type noPackages struct{}

var errForeign = errors.New("the schema refers to another package; it must have its own types only")

func (noPackages) LoadPackage(string, *semver.Version) (*schema.Package, error) {
	return nil, errForeign
}

func (noPackages) LoadPackageV2(context.Context, *schema.PackageDescriptor) (*schema.Package, error) {
	return nil, errForeign
}

func (noPackages) LoadPackageReference(string, *semver.Version) (schema.PackageReference, error) {
	return nil, errForeign
}

func (noPackages) LoadPackageReferenceV2(context.Context, *schema.PackageDescriptor) (schema.PackageReference, error) {
	return nil, errForeign
}

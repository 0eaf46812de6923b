package provider

import (
	"encoding/json"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// patchSchema marks as plain everything that is plain in the args' Go types. The framework does so for primitives of the
// top level alone; SDKs would then take outputs where the component cannot.
func patchSchema(resp p.GetSchemaResponse) (p.GetSchemaResponse, error) {
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(resp.Schema), &spec); err != nil {
		return resp, err
	}
	cluster := spec.Resources[clusterToken]
	markFields(&spec, cluster.InputProperties, reflect.TypeFor[K3sHaClusterArgs]())
	spec.Resources[clusterToken] = cluster

	var golang map[string]any
	if err := json.Unmarshal(spec.Language["go"], &golang); err != nil {
		return resp, err
	}
	golang["generateExtraInputTypes"] = true // plain containers of types don't compile without
	raw, err := json.Marshal(golang)
	if err != nil {
		return resp, err
	}
	spec.Language["go"] = raw
	out, err := json.Marshal(spec)
	return p.GetSchemaResponse{Schema: string(out)}, err
}

// markFields walks an args struct and its part of the schema side by side.
func markFields(spec *schema.PackageSpec, props map[string]schema.PropertySpec, t reflect.Type) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("pulumi"), ",")
		prop, found := props[name]
		if !found {
			continue
		}
		markType(spec, &prop.TypeSpec, t.Field(i).Type)
		props[name] = prop
	}
}

func markType(spec *schema.PackageSpec, ts *schema.TypeSpec, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Implements(inputType) {
		ts.Plain = false
		return
	}
	ts.Plain = true
	switch t.Kind() {
	case reflect.Slice:
		if ts.Items != nil {
			markType(spec, ts.Items, t.Elem())
		}
	case reflect.Map:
		if ts.AdditionalProperties != nil {
			markType(spec, ts.AdditionalProperties, t.Elem())
		}
	case reflect.Struct:
		token := strings.TrimPrefix(ts.Ref, "#/types/")
		if complexType, found := spec.Types[token]; found {
			markFields(spec, complexType.Properties, t)
			spec.Types[token] = complexType
		}
	default:
	}
}

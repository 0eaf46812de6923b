package provider

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"

	"github.com/k3sha/pulumi-k3sha/provider/component"
)

// languages is what the SDK generators must know beyond the framework's defaults: the packages' names.
var languages = map[string]map[string]any{
	"go":     {"generateExtraInputTypes": true}, // plain containers of types don't compile without
	"nodejs": {"packageName": "@k3sha/pulumi-k3sha"},
	"python": {"packageName": "pulumi_k3sha"},
	"csharp": {"rootNamespace": "K3sha"},
	"java":   {"basePackage": "io.github", "buildFiles": "none", "dependencies": map[string]string{"com.pulumi:pulumi": "1.16.2"}},
}

func addSettings(all map[string]schema.RawMessage, language string, settings map[string]any) error {
	merged := map[string]any{}
	if raw, found := all[language]; found {
		if err := json.Unmarshal(raw, &merged); err != nil {
			return err
		}
	}
	maps.Copy(merged, settings)
	raw, err := json.Marshal(merged)
	all[language] = raw
	return err
}

// patchSchema names the SDKs and marks as plain everything that is plain in the args' Go types. The framework does so for primitives of the
// top level alone; SDKs would then take outputs where the component cannot.
func patchSchema(resp p.GetSchemaResponse) (p.GetSchemaResponse, error) {
	var spec schema.PackageSpec
	if err := json.Unmarshal([]byte(resp.Schema), &spec); err != nil {
		return resp, err
	}
	for token, args := range map[string]reflect.Type{
		component.Token: reflect.TypeFor[component.K3sHaClusterArgs](), component.TemplateToken: reflect.TypeFor[component.CloudImageTemplateArgs](),
	} {
		markFields(&spec, spec.Resources[token].InputProperties, args)
	}

	for token, text := range component.EnumDescriptions {
		enum := spec.Types[token]
		enum.Description = text
		spec.Types[token] = enum
	}
	for language, settings := range languages {
		if err := addSettings(spec.Language, language, settings); err != nil {
			return resp, err
		}
	}
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
	if t.Implements(component.InputType) {
		ts.Plain = false
		if ts.Items != nil {
			ts.Items.Plain = false
		}
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

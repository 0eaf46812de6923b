package tests

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/pkg/v3/codegen/schema"
)

// changes compares the schema with a released one. What breaks a program or a stack that was written for the released one
// is in breaking, anything else that differs in other.
func changes(released, now schema.PackageSpec) (breaking, other []string) {
	c := &comparison{}
	for _, token := range slices.Sorted(maps.Keys(released.Resources)) {
		was, is := released.Resources[token], now.Resources[token]
		if _, found := now.Resources[token]; !found {
			c.broken("resource %s is gone", token)
			continue
		}
		if was.IsComponent != is.IsComponent {
			c.broken("resource %s was a component: %t, and is: %t", token, was.IsComponent, is.IsComponent)
		}
		c.inputs(token, was.InputProperties, is.InputProperties, was.RequiredInputs, is.RequiredInputs)
		c.outputs(token, was.Properties, is.Properties, was.Required, is.Required)
	}
	for _, token := range slices.Sorted(maps.Keys(released.Types)) {
		was, is := released.Types[token], now.Types[token]
		if _, found := now.Types[token]; !found {
			c.broken("type %s is gone", token)
			continue
		}
		c.enum(token, was.Enum, is.Enum)
		if isOutput[token] {
			c.outputs(token, was.Properties, is.Properties, was.Required, is.Required)
		} else {
			c.inputs(token, was.Properties, is.Properties, was.Required, is.Required)
		}
	}
	for _, token := range slices.Sorted(maps.Keys(now.Resources)) {
		if _, found := released.Resources[token]; !found {
			c.fine("resource %s is new", token)
		}
	}
	for _, token := range slices.Sorted(maps.Keys(now.Types)) {
		if _, found := released.Types[token]; !found {
			c.fine("type %s is new", token)
		}
	}
	return c.breaking, c.other
}

// isOutput names the types that come back; all others are given.
var isOutput = map[string]bool{"k3sha:index:NodeInfo": true}

type comparison struct{ breaking, other []string }

func (c *comparison) broken(format string, args ...any) {
	c.breaking = append(c.breaking, fmt.Sprintf(format, args...))
}

func (c *comparison) fine(format string, args ...any) {
	c.other = append(c.other, fmt.Sprintf(format, args...))
}

// inputs may become optional, and new optional ones may come.
func (c *comparison) inputs(token string, was, is map[string]schema.PropertySpec, required, requires []string) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		p, found := is[name]
		if !found {
			c.broken("input %s.%s is gone", token, name)
			continue
		}
		c.types(token, name, was[name], p)
		if was[name].Secret && !p.Secret {
			c.broken("input %s.%s is secret no longer", token, name)
		}
		switch before, after := slices.Contains(required, name), slices.Contains(requires, name); {
		case !before && after:
			c.broken("input %s.%s is required now", token, name)
		case before && !after:
			c.fine("input %s.%s is optional now", token, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, found := was[name]; found {
			continue
		}
		if slices.Contains(requires, name) {
			c.broken("input %s.%s is new and required", token, name)
		} else {
			c.fine("input %s.%s is new", token, name)
		}
	}
}

// outputs may become more certain, and new ones may come.
func (c *comparison) outputs(token string, was, is map[string]schema.PropertySpec, required, requires []string) {
	for _, name := range slices.Sorted(maps.Keys(was)) {
		p, found := is[name]
		if !found {
			c.broken("output %s.%s is gone", token, name)
			continue
		}
		c.types(token, name, was[name], p)
		if was[name].Secret && !p.Secret {
			c.broken("output %s.%s is secret no longer", token, name)
		}
		if slices.Contains(required, name) && !slices.Contains(requires, name) {
			c.broken("output %s.%s may be missing now", token, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, found := was[name]; !found {
			c.fine("output %s.%s is new", token, name)
		}
	}
}

func (c *comparison) types(token, name string, was, is schema.PropertySpec) {
	before, after := typeText(was.TypeSpec), typeText(is.TypeSpec)
	if before != after {
		c.broken("%s.%s was %s, and is %s", token, name, before, after)
	}
}

// typeText writes a type with what matters to programs: its shape, and where outputs are taken.
func typeText(t schema.TypeSpec) string {
	text := t.Type + t.Ref
	switch {
	case t.Items != nil:
		text = "[]" + typeText(*t.Items)
	case t.AdditionalProperties != nil:
		text = "map of " + typeText(*t.AdditionalProperties)
	}
	if t.Plain {
		text = "plain " + text
	}
	return text
}

func (c *comparison) enum(token string, was, is []schema.EnumValueSpec) {
	values := func(all []schema.EnumValueSpec) map[string]string {
		out := map[string]string{}
		for _, v := range all {
			out[v.Name] = fmt.Sprint(v.Value)
		}
		return out
	}
	before, after := values(was), values(is)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if value, found := after[name]; !found || value != before[name] {
			c.broken("value %s of %s is gone or another", name, token)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, found := before[name]; !found {
			c.fine("value %s of %s is new", name, token)
		}
	}
}

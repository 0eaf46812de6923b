package component

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/k3sha/pulumi-k3sha/provider/internal/topology"
)

// InputType is implemented by the types of inputs that may be unknown.
var InputType = reflect.TypeFor[pulumi.Input]()

// checkShape compares inputs as they came over the wire with the args' type: whether plain values are plain, of the
// right type, and whether there is such a property. The SDK's own copying would stop at the first, in words that name
// no property.
func checkShape(inputs resource.PropertyMap, args reflect.Type) []topology.Problem {
	var s shape
	s.object("", inputs, args)
	return s.problems
}

type shape struct{ problems []topology.Problem }

func (s *shape) add(path, format string, args ...any) {
	s.problems = append(s.problems, topology.Problem{Path: path, Reason: fmt.Sprintf(format, args...)})
}

func (s *shape) value(path string, v resource.PropertyValue, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Implements(InputType) {
		s.leaf(path, v, t)
		return
	}
	const why = "it decides what is created, so it must be known at preview: write it out or take it from the stack's configuration"
	switch {
	case v.IsComputed() || v.IsOutput() && !v.OutputValue().Known:
		s.add(path, "is an output that is not known yet; %s", why)
		return
	case v.IsSecret() || v.IsOutput() && v.OutputValue().Secret:
		// Never: make it plain. It could be a credential that stands in the wrong place.
		s.add(path, "is a secret, and this input is shown in every preview; give a value that is none")
		return
	case v.IsOutput() && len(v.OutputValue().Dependencies) > 0:
		s.add(path, "is an output of another resource; %s", why)
		return
	case v.IsOutput():
		v = v.OutputValue().Element
	}
	if v.IsNull() {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		if s.want(path, v, v.IsObject(), "an object") {
			s.object(path, v.ObjectValue(), t)
		}
	case reflect.Map:
		if s.want(path, v, v.IsObject(), "an object") {
			for _, key := range v.ObjectValue().StableKeys() {
				s.item(join(path, string(key)), v.ObjectValue()[key], t.Elem())
			}
		}
	case reflect.Slice:
		if s.want(path, v, v.IsArray(), "a list") {
			for i, item := range v.ArrayValue() {
				s.item(fmt.Sprintf("%s[%d]", path, i), item, t.Elem())
			}
		}
	case reflect.Interface:
		s.anything(path, v)
	case reflect.String:
		s.want(path, v, v.IsString(), "a string")
	case reflect.Bool:
		s.want(path, v, v.IsBool(), "true or false")
	case reflect.Int:
		if s.want(path, v, v.IsNumber(), "a whole number") {
			switch n := v.NumberValue(); {
			case n != math.Trunc(n):
				s.add(path, "%v is not a whole number", n)
			case n == 0 && !strings.HasSuffix(path, "count") && !strings.HasSuffix(path, ".generation"):
				s.add(path, zero)
			}
		}
	case reflect.Float64:
		if s.want(path, v, v.IsNumber(), "a number") && v.NumberValue() == 0 {
			s.add(path, zero)
		}
	default:
	}
}

const zero = "0 is out of range; leave it out for the default, or give a positive number"

// item is a value in a list or map, which cannot be left out there.
func (s *shape) item(path string, v resource.PropertyValue, t reflect.Type) {
	if v.IsNull() && t.Kind() != reflect.Interface {
		s.add(path, "is empty; give a value, or take it out")
		return
	}
	s.value(path, v, t)
}

// leaf checks an input that may be unknown or secret: its type, as far as it is known.
func (s *shape) leaf(path string, v resource.PropertyValue, t reflect.Type) {
	for v.IsSecret() || v.IsOutput() {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case !v.OutputValue().Known:
			return
		default:
			v = v.OutputValue().Element
		}
	}
	switch {
	case v.IsComputed() || v.IsNull():
	case t == reflect.TypeFor[pulumi.StringInput]():
		s.want(path, v, v.IsString(), "a string")
	case t == reflect.TypeFor[pulumi.IntInput]():
		if s.want(path, v, v.IsNumber() && v.NumberValue() == math.Trunc(v.NumberValue()), "a whole number") && v.NumberValue() == 0 {
			s.add(path, "0 is not a VM id; give the template's, like 9000")
		}
	case t == reflect.TypeFor[pulumi.StringArrayInput]():
		if s.want(path, v, v.IsArray(), "a list") {
			for i, item := range v.ArrayValue() {
				if item.IsNull() {
					s.add(fmt.Sprintf("%s[%d]", path, i), "is empty; give a value, or take it out")
				}
				s.leaf(fmt.Sprintf("%s[%d]", path, i), item, reflect.TypeFor[pulumi.StringInput]())
			}
		}
	}
}

// anything checks free-form values: any type, but plain.
func (s *shape) anything(path string, v resource.PropertyValue) {
	switch {
	case v.IsObject():
		s.value(path, v, reflect.TypeFor[map[string]any]())
	case v.IsArray():
		s.value(path, v, reflect.TypeFor[[]any]())
	}
}

func (s *shape) want(path string, v resource.PropertyValue, ok bool, what string) bool {
	if !ok {
		s.add(path, "is %s; give %s", article(v.TypeString()), what)
	}
	return ok
}

func article(typeName string) string {
	switch typeName {
	case "object":
		return "an object"
	case "[]":
		return "a list"
	}
	return "a " + typeName
}

func (s *shape) object(path string, o resource.PropertyMap, t reflect.Type) {
	fields := map[string]reflect.Type{}
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("pulumi"), ",")
		fields[name] = t.Field(i).Type
		names = append(names, name)
	}
	slices.Sort(names)
	for _, key := range o.StableKeys() {
		fieldType, known := fields[string(key)]
		if !known {
			s.add(join(path, string(key)), "there is no such property;%s there are: %s", topology.Suggest(string(key), names), strings.Join(names, ", "))
			continue
		}
		s.value(join(path, string(key)), o[key], fieldType)
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

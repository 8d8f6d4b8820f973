package responses

import "github.com/ginnel/ginnel/sdk/dialect"

// shape is a kind of object whose members are read one by one.
type shape uint8

const (
	shapeOutput shape = iota
	shapeFound
	shapeOperation
	shapeFault
	shapeAction
	shapeSource
	shapeCheck
	shapeAnnotation
	shapeTool
	shapeEnvironment
	shapeSkill
	shapePlace
	shapeText
	shapeFormat
	shapePrompt
)

// shapes has the keys of each. They are told apart by a number and not by a function: a reader that a
// function value takes would be allocated.
var shapes = [...]*dialect.Keys{
	shapeOutput:      outputKeys,
	shapeFound:       resultKeys,
	shapeOperation:   patchKeys,
	shapeFault:       faultKeys,
	shapeAction:      stepKeys,
	shapeSource:      sourceKeys,
	shapeCheck:       checkKeys,
	shapeAnnotation:  annotationKeys,
	shapeTool:        toolKeys,
	shapeEnvironment: environmentKeys,
	shapeSkill:       skillKeys,
	shapePlace:       placeKeys,
	shapeText:        textKeys,
	shapeFormat:      formatKeys,
	shapePrompt:      promptKeys,
}

// member reads a member of an object of a shape.
func (s shape) member(r *reader, key int) {
	switch s {
	case shapeOutput:
		r.output(key)
	case shapeFound:
		r.found(key)
	case shapeOperation:
		r.argument(key)
	case shapeFault:
		r.fault(key)
	case shapeAction:
		r.step(key)
	case shapeSource:
		r.source(key)
	case shapeCheck:
		r.check(key)
	case shapeAnnotation:
		r.annotation(key)
	case shapeTool:
		r.toolMember(key)
	case shapeEnvironment:
		r.environs(key)
	case shapeSkill:
		r.skill(key)
	case shapePlace:
		r.place(key)
	case shapeText:
		r.form(key)
	case shapeFormat:
		r.formMember(key)
	case shapePrompt:
		r.variables(key)
	}
}

// object reads the value at hand if it is an object.
func (r *reader) object(s shape) {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return
	}
	o := r.Object(shapes[s])
	for {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		if key < 0 {
			r.Skip()
			continue
		}
		s.member(r, key)
	}
}

// list reads an array of objects of a shape.
func (r *reader) list(s shape) {
	if r.Type() != dialect.TypeArray {
		r.Skip()
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		r.object(s)
	}
}

package pluginv1_test

import (
	_ "embed"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
)

// released is the protocol as plugins in the field speak it; generate.sh release renews it.
//
//go:embed released.binpb
var released []byte

// TestProtocolOnlyGrows holds that everything of the released protocol is still there, with its
// number, type and place.
func TestProtocolOnlyGrows(t *testing.T) {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(released, &set); err != nil {
		t.Fatal(err)
	}
	old, err := protodesc.NewFiles(&set)
	if err != nil {
		t.Fatal(err)
	}
	now := new(protoregistry.Files)
	for _, f := range []protoreflect.FileDescriptor{pluginv1.File_pluginv1_common_proto, pluginv1.File_pluginv1_provider_proto, pluginv1.File_pluginv1_sink_proto} {
		if err := now.RegisterFile(f); err != nil {
			t.Fatal(err)
		}
	}
	if lost := missing(old, now); len(lost) > 0 {
		t.Errorf("the protocol shrank: %q", lost)
	}
}

// A test that cannot fail shows nothing.
func TestShrinkingIsNoticed(t *testing.T) {
	file := protodesc.ToFileDescriptorProto(pluginv1.File_pluginv1_common_proto)
	file.MessageType[0].Field[0].Number = proto.Int32(99)
	file.MessageType[0].Field = file.MessageType[0].Field[:2]
	file.MessageType[1].Field = file.MessageType[1].Field[:1]
	file.MessageType = file.MessageType[:2]
	changed, err := protodesc.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	old := new(protoregistry.Files)
	if err := old.RegisterFile(pluginv1.File_pluginv1_common_proto); err != nil {
		t.Fatal(err)
	}
	if lost := missing(old, changed); len(lost) < 6 {
		t.Errorf("noticed only %q", lost)
	}
}

// missing lists what of old is not in now.
func missing(old, now *protoregistry.Files) (lost []protoreflect.FullName) {
	find := func(name protoreflect.FullName) protoreflect.Descriptor {
		d, err := now.FindDescriptorByName(name)
		if err != nil {
			lost = append(lost, name)
			return nil
		}
		return d
	}
	old.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		for i := range f.Messages().Len() {
			m := f.Messages().Get(i)
			if n, _ := find(m.FullName()).(protoreflect.MessageDescriptor); n != nil {
				lost = append(lost, missingFields(m, n)...)
			}
		}
		for i := range f.Enums().Len() {
			values := f.Enums().Get(i).Values()
			for j := range values.Len() {
				v := values.Get(j)
				if n, _ := find(v.FullName()).(protoreflect.EnumValueDescriptor); n != nil && n.Number() != v.Number() {
					lost = append(lost, v.FullName())
				}
			}
		}
		for i := range f.Services().Len() {
			methods := f.Services().Get(i).Methods()
			for j := range methods.Len() {
				m := methods.Get(j)
				if n, _ := find(m.FullName()).(protoreflect.MethodDescriptor); n != nil &&
					(n.Input().FullName() != m.Input().FullName() || n.Output().FullName() != m.Output().FullName()) {
					lost = append(lost, m.FullName())
				}
			}
		}
		return true
	})
	return lost
}

func missingFields(old, now protoreflect.MessageDescriptor) (lost []protoreflect.FullName) {
	for i := range old.Fields().Len() {
		f := old.Fields().Get(i)
		n := now.Fields().ByNumber(f.Number())
		if n == nil || n.Name() != f.Name() || n.Kind() != f.Kind() || n.Cardinality() != f.Cardinality() {
			lost = append(lost, f.FullName())
		}
	}
	return lost
}

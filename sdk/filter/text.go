package filter

import "github.com/ginnel/ginnel/sdk/filter/abi"

// Role is who speaks a text.
type Role uint8

// The roles, as in sdk/dialect.
const (
	RoleNone Role = iota
	RoleSystem
	RoleUser
	RoleAssistant
	RoleTool
)

// Kind says what a text is to the model.
type Kind uint8

// The kinds, as in sdk/dialect.
const (
	KindText       Kind = iota // a message's words
	KindArguments              // a tool call's arguments, JSON inside a string
	KindToolResult             // what a tool gave back
	KindToolDef                // a tool's name, description and parameter descriptions
	KindReasoning              // the model's thinking
	KindRefusal                // the model's refusal
	KindStructured             // a short field with a form of its own
)

// Text is one text of the conversation.
type Text struct{ index uint32 }

// Texts returns the number of texts in RequestText.
func (Exchange) Texts() int { return max(0, int(sysTextCount())) }

// Text returns text i of RequestText, in the order of the body.
func (Exchange) Text(i int) Text { return Text{uint32(i)} }

// Role returns who speaks the text.
func (t Text) Role() Role { return Role(sysTextInfo(t.index) & abi.RoleMask) }

// Kind returns what the text is.
func (t Text) Kind() Kind { return Kind(sysTextInfo(t.index) >> abi.KindShift & 0xff) }

// Info returns role and kind at the price of one call.
func (t Text) Info() (Role, Kind) {
	n := sysTextInfo(t.index)
	if n < 0 {
		return RoleNone, KindText
	}
	return Role(n & abi.RoleMask), Kind(n >> abi.KindShift & 0xff)
}

// Key reports whether the text names a member of a tool call's arguments, which the model chose.
func (t Text) Key() bool {
	n := sysTextInfo(t.index)
	return n >= 0 && n&abi.KeyBit != 0
}

// Len returns the number of bytes of the text.
func (t Text) Len() int { return max(0, int(sysTextGet(t.index, nil))) }

// Bytes copies the text into the guest. The result is valid until the next call of Bytes. A filter
// that only looks for patterns uses Set.Text and copies nothing.
func (t Text) Bytes() []byte {
	b, _ := fetch(&texts, func(buf []byte) int32 { return sysTextGet(t.index, buf) })
	return b
}

// Replace puts another text in its place.
func (t Text) Replace(with []byte) error { return result(sysTextSet(t.index, with)) }

// Splice replaces bytes from to to of the text; what stands outside keeps its bytes.
func (t Text) Splice(from, to int, with []byte) error {
	return result(sysTextSplice(t.index, uint32(from), uint32(to), with))
}

// Window is the text of one channel of the answer that this filter has not settled: what it held
// back and what just came. What a handler does not Hold is on its way to the client.
type Window struct{ Text }

// Fresh returns where the text begins that the filter sees for the first time.
func (Window) Fresh() int { return number(abi.Fresh) }

// Final reports whether nothing follows in this channel.
func (w Window) Final() bool { return sysTextInfo(w.index)&abi.FinalBit != 0 }

// Channel returns which choice and block of the answer the text belongs to.
func (Window) Channel() (choice, block int) { return number(abi.Choice), number(abi.Block) }

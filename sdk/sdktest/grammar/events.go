package grammar

import (
	"fmt"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// events gives each event of a stream of server-sent events that has a payload to read. The stream must end with one that
// is whole; an error of read's is told with the event.
func events(stream []byte, read func(*dialect.Frame) error) error {
	var f dialect.Framer
	f.Feed(stream)
	var frame dialect.Frame
	for {
		ok, err := f.Next(&frame)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if frame.Payload == nil {
			continue
		}
		if err := read(&frame); err != nil {
			return fmt.Errorf("%w: %q", err, frame.Raw)
		}
	}
	if f.Tail(&frame) {
		return fmt.Errorf("the stream ends within an event: %q", frame.Raw)
	}
	return nil
}

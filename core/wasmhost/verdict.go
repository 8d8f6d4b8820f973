package wasmhost

import (
	"errors"
	"fmt"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
)

// verdict turns the guest's action into the host's. A pause is none.
func (in *instance) verdict(action int32) (exchange.Verdict, error) {
	if action < 0 {
		return exchange.Verdict{}, fmt.Errorf("it gave %d", action)
	}
	if in.x == nil {
		if action&0xff != abi.Continue {
			return exchange.Verdict{}, fmt.Errorf("action %d does not belong to a tick", action&0xff)
		}
		return exchange.Verdict{}, nil
	}
	if in.phase == exchange.PhaseDone {
		return exchange.Verdict{}, nil
	}
	switch action & 0xff {
	case abi.Continue:
		return exchange.Verdict{}, nil
	case abi.Replace:
		return exchange.Verdict{}, in.replace()
	case abi.Drop:
		if in.phase == exchange.PhaseDelta || in.phase == exchange.PhaseEvent {
			return exchange.Verdict{Action: exchange.Drop}, nil
		}
	case abi.Respond:
		if in.answer == nil {
			return exchange.Verdict{}, errors.New("it answers, but gave no answer")
		}
		return exchange.Verdict{Action: exchange.Respond, Reply: in.answer}, nil
	case abi.Hold:
		return in.hold(int(action >> abi.HoldShift))
	case abi.Close:
		if in.phase >= exchange.PhaseResponseHead {
			return exchange.Verdict{Action: exchange.Close, Reply: in.answer}, nil
		}
	}
	return exchange.Verdict{}, fmt.Errorf("action %d does not belong to phase %s", action&0xff, in.phase)
}

// hold keeps the last n bytes of the window back, or all of it; no more than the manifest declares.
func (in *instance) hold(n int) (exchange.Verdict, error) {
	if in.phase != exchange.PhaseDelta {
		return exchange.Verdict{}, fmt.Errorf("action %d does not belong to phase %s", abi.Hold, in.phase)
	}
	size := len(in.x.Window.Bytes())
	if n == 0 || n > size {
		n = size
	}
	if n > in.filter.ahead && !in.x.Window.Final {
		return exchange.Verdict{}, fmt.Errorf("it holds %d bytes back, its manifest declares a look_ahead of %d", n, in.filter.ahead)
	}
	if n == 0 {
		return exchange.Verdict{}, nil
	}
	return exchange.Verdict{Action: exchange.Hold, Hold: n}, nil
}

// replace puts what the guest wrote with out in the place of what it was shown.
func (in *instance) replace() error {
	body := in.phase == exchange.PhaseRequestBody || in.phase == exchange.PhaseResponseBody
	switch {
	case !in.written:
		return errors.New("it replaces, but wrote nothing")
	case body && !in.filter.module.Manifest.Has(CapBody),
		in.phase == exchange.PhaseDelta && !in.filter.module.Manifest.Has(CapText):
		return fmt.Errorf("its manifest does not declare the capability that replacing needs in phase %s", in.phase)
	case body:
		in.message().Body.Replace(in.out)
		in.out = nil // the body owns it now
		return nil
	case in.phase == exchange.PhaseDelta:
		w := in.x.Window
		return w.Edit(0, len(w.Bytes()), in.out)
	}
	return fmt.Errorf("nothing can be replaced in phase %s", in.phase)
}

package hub

import (
	"net/http"

	"goalcast/hub/limits"
	"goalcast/internal/clientip"
)

// mayAsk counts a handshake of an address. Who only asks whether it would be let in is not counted.
func (h *Hub) mayAsk(r *http.Request, v *viewer) *refusal {
	if h.cfg.AddressRate.PerMinute <= 0 || v.check {
		return nil
	}
	// an error lets it through: a limiter that is away must not take the hub with it
	turn, err := h.cfg.Limiter.Take(r.Context(), "live:"+clientip.Counted(v.ip).String(), h.cfg.AddressRate)
	if err == nil && turn.Wait > 0 {
		return tooMany(limits.TooFastForAddress)
	}
	return nil
}

// mayGuess refuses an address that has shown too many wrong tokens, before another one is looked
// at.
func (h *Hub) mayGuess(v *viewer) *refusal {
	if h.cfg.Limiter.Peek(guessKey(v), h.cfg.GuessRate) > 0 {
		return tooMany(limits.TooManyGuesses)
	}
	return nil
}

// guessed counts a wrong token, and refuses it.
func (h *Hub) guessed(r *http.Request, v *viewer, no *refusal) *refusal {
	turn, err := h.cfg.Limiter.Take(r.Context(), guessKey(v), h.cfg.GuessRate)
	if err == nil && turn.Wait > 0 {
		return tooMany(limits.TooManyGuesses)
	}
	return no
}

func guessKey(v *viewer) string { return "guess:live:" + clientip.Counted(v.ip).String() }

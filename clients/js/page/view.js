// view.js: what an address names. "#m7" is a match; behind it stays the list from which it was opened.

const kinds = { t: 'team', c: 'competition', p: 'player' };

/**
 * The list that an address names: {kind: 'day', date} (without date today's), or {kind: 'team',
 * 'competition' or 'player', id}. Undefined for a match, and for what names nothing.
 */
export function viewOf(hash, today) {
  if (hash.length < 2) return { kind: 'day', address: '' };
  const date = /^#d(\d{4}-\d\d-\d\d)$/.exec(hash)?.[1];
  if (date && !Number.isNaN(Date.parse(date))) {
    return date === today ? { kind: 'day', address: '' } : { kind: 'day', date, address: hash.slice(1) };
  }
  const [, kind, id] = /^#([tcp])(\d{1,15})$/.exec(hash) ?? [];
  return kind && { kind: kinds[kind], id: Number(id), address: hash.slice(1) };
}

/** The match that an address names; 0 without. */
export const matchOf = (hash) => Number(/^#m(\d{1,15})$/.exec(hash)?.[1] ?? 0);

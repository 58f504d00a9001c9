// widget.js: elements for any page, by one line: <goalcast-match match="1009316">. docs/widgets.md says what they
// take.

import { MatchWidget } from './match.js';
import { TableWidget } from './table.js';
import { TickerWidget } from './ticker.js';

const elements = { 'goalcast-match': MatchWidget, 'goalcast-ticker': TickerWidget, 'goalcast-table': TableWidget };

// where there is no page, as in a build for one, and with a second copy of the script, there is nothing to do
for (const [name, element] of Object.entries(elements)) {
  if (globalThis.customElements && !customElements.get(name)) customElements.define(name, element);
}

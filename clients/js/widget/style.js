// style.js: how the elements look. Pages choose by the variables at the top, and by ::part. The build leaves
// the white space out.

export const css = `
:host {
  display: block; color-scheme: light dark; container-type: inline-size;
  font: var(--goalcast-font, 15px/1.4 system-ui, sans-serif);
  --text: var(--goalcast-text, light-dark(#10202c, #eef4f8));
  --soft: var(--goalcast-soft, light-dark(#4b5b68, #a3b4c2));
  --line: var(--goalcast-line, light-dark(#d8e0e6, #2a3946));
  --live: var(--goalcast-live, light-dark(#0b6b3d, #3ee08f));
  --alert: var(--goalcast-alert, light-dark(#a83200, #ffb020));
}
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
* { box-sizing: border-box; margin: 0; padding: 0; }
article { position: relative; overflow: hidden; color: var(--text); border: 1px solid var(--line);
  background: var(--goalcast-background, light-dark(#fff, #10171f)); border-radius: var(--goalcast-radius, 12px);
  font-variant-numeric: tabular-nums; }
[part=note]:not(:empty) { position: absolute; inset: 0; display: grid; place-items: center; padding: 16px; }
[data-empty] > :not([part=note]) { visibility: hidden; }
.voice { position: absolute; clip-path: inset(50%); }
:focus-visible { outline: 2px solid var(--live); outline-offset: -2px; }
header { display: grid; grid-template-columns: 1fr auto 1fr; gap: 4px 12px; height: 124px; padding: 12px 14px; }
header p { grid-column: 1/-1; display: flex; justify-content: space-between; gap: 12px; height: 20px;
  white-space: nowrap; }
p, small, s { font-size: 13px; color: var(--soft); }
b, s, small, button, [part=competition] { overflow: hidden; text-overflow: ellipsis; min-width: 0; }
b, [part=clock], [part=status], a, button { font-weight: 600; }
[part=clock], [part=status], a, button, .up { color: var(--live); }
.trouble, .down { color: var(--alert); }
[part=team] { display: flex; align-items: center; gap: 10px; min-width: 0; line-height: 1.25; }
header [part=team] { height: 70px; }
header [part=team]:last-child, .away { flex-direction: row-reverse; text-align: end; }
header b { max-height: 3.75em; }
.shield { width: 30px; flex: none; }
header div { display: grid; place-items: center; place-content: center; min-width: 80px; line-height: 1.2; }
[part=score] { font-weight: 700; }
header [part=score] { font-size: 32px; }
ol { list-style: none; height: calc(var(--rows) * 36px); overflow: auto; }
li { display: flex; align-items: center; gap: 8px; min-height: 36px; padding: 0 14px; white-space: nowrap;
  border-top: 1px solid var(--line); }
li.across { justify-content: center; flex-wrap: wrap; }
.across b { font-weight: 400; }
li > small:first-child { min-width: 42px; flex: none; }
.across > :empty { display: none; }
i { min-width: 18px; font-style: normal; }
.yellow, .red { min-width: 11px; height: 15px; margin: 0 4px 0 3px; background: #ffcf24;
  border: 1px solid; }
.red { background: #e5484d; }
ul { display: flex; list-style: none; height: 66px; overflow: auto; }
[part=match] { display: grid; grid-template-columns: auto auto auto; justify-content: center; gap: 2px 10px; min-width: 190px;
  padding: 10px 14px; border: 0; border-inline-end: 1px solid var(--line); }
[part=match] small { grid-column: 1/-1; }
[part=scroll] { height: calc((var(--rows) + 1) * 34px); overflow: auto; }
p[part=header] { display: flex; justify-content: space-between; padding: 8px 14px; height: 36px; font-weight: 600; }
table { width: 100%; border-collapse: collapse; font-size: 14px; }
tr { height: 34px; border-top: 1px solid var(--line); }
td, th { text-align: end; padding: 0 7px; font-weight: 400; white-space: nowrap; }
th:nth-child(2) { text-align: start; width: 99%; max-width: 0; overflow: hidden; text-overflow: ellipsis; }
td:last-child { font-weight: 700; }
thead { color: var(--soft); }
td:first-child { text-align: start; }
a, button { font-size: 14px; background: none; border: 0; cursor: pointer; min-height: 34px; max-width: 100%; }
video, iframe { width: 100%; aspect-ratio: 16/9; border: 0; }
@container (max-width: 420px) {
  header [part=team], header [part=team]:last-child { flex-direction: column; justify-content: center; gap: 4px;
    font-size: 13px; text-align: center; }
  :is(td, th):is(:nth-child(4), :nth-child(5), :nth-child(6)) { display: none; }
  header b { max-height: 2.5em; }
}
@media (prefers-reduced-motion: no-preference) {
  .new, .bump { animation: new 1.5s; }
  @keyframes new { 0%, 40% { background: color-mix(in srgb, var(--live) 15%, transparent); } }
}
`;

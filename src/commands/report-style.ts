/** The look of the report: light and dark, wide and narrow, without anything from elsewhere. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --line: #d5d9e0; --text: #1b1f27; --quiet: #5b6472;
  --success: #1f883d; --error: #cf222e; --timeout: #b35900; --cancelled: #7a4bc0; --skip: #8a93a1; --run: #0969da;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11151b; --raised: #1a2028; --line: #333c48; --text: #e8ebf0; --quiet: #9aa5b4;
    --success: #3fb950; --error: #f8605a; --timeout: #e09b3d; --cancelled: #b18cf0; --skip: #6f7a88; --run: #58a6ff;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.25rem; background: var(--ground); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p { margin: .3rem 0; } .quiet { color: var(--quiet); } code, pre { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .86em; }
.head { display: flex; flex-wrap: wrap; gap: .4rem .8rem; align-items: center; }
.badge { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem; font-size: .9rem; font-weight: 600; white-space: nowrap; }
.s-success { color: var(--success); } .s-error, .s-lost { color: var(--error); } .s-timeout { color: var(--timeout); }
.s-cancelled { color: var(--cancelled); } .s-skip, .s-waiting, .s-queued { color: var(--skip); } .s-inprogress { color: var(--run); }
.reason { border-left: 3px solid currentColor; padding-left: .6rem; }
.reason > span { color: var(--text); }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .85rem; color: var(--quiet); margin-bottom: .5rem; }
.legend i { display: inline-block; width: .9rem; height: .7rem; border-radius: 2px; margin-right: .35rem; }
.timeline { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem .6rem; }
.row { display: grid; grid-template-columns: var(--names, 10rem) 1fr; gap: .8rem; align-items: center; }
.name { font-size: .85rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.track { position: relative; height: 1.5rem; border-left: 1px solid var(--line); }
.axis .track { height: 1.4rem; } .tick { position: absolute; top: 0; font-size: .75rem; color: var(--quiet); transform: translateX(-50%); white-space: nowrap; }
.tick:first-child { transform: none; } .tick.end { transform: translateX(-100%); }
.grid { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--line); }
.bar { position: absolute; top: .2rem; height: 1.1rem; min-width: 4px; border-radius: 3px; background: currentColor; outline-offset: 1px; }
.bar:hover, .bar:focus { outline: 2px solid var(--text); z-index: 5; }
.bar b { display: block; overflow: hidden; padding-left: .3rem; font-size: .72rem; line-height: 1.1rem; color: var(--ground); font-weight: 600; white-space: nowrap; }
.bar.s-error, .bar.s-timeout, .legend .s-error i, .legend .s-timeout i { background-image: repeating-linear-gradient(135deg, transparent 0 5px, rgba(0, 0, 0, .28) 5px 8px); }
.legend i { background-color: currentColor; }
.tip { display: none; position: absolute; top: 1.4rem; left: 0; z-index: 10; width: max-content; max-width: min(24rem, 70vw); padding: .5rem .7rem; border-radius: 5px;
  background: var(--text); color: var(--ground); font-size: .82rem; line-height: 1.4; white-space: normal; box-shadow: 0 3px 12px rgba(0, 0, 0, .3); }
.bar:hover .tip, .bar:focus .tip { display: block; } .bar.late .tip { left: auto; right: 0; }
table { width: 100%; border-collapse: collapse; } th { text-align: left; font-size: .8rem; color: var(--quiet); font-weight: 600; }
th, td { padding: .35rem .6rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; } td.number { text-align: right; padding-right: 1rem; }
details { border: 1px solid var(--line); border-radius: 5px; margin: .35rem 0; background: var(--raised); }
summary { cursor: pointer; padding: .4rem .7rem; } summary .badge { font-size: .75rem; margin-left: .4rem; }
pre { margin: 0; padding: .6rem .8rem; overflow-x: auto; border-top: 1px solid var(--line); white-space: pre-wrap; max-height: 40rem; overflow-y: auto; }
pre .bad { color: var(--error); } pre .warn { color: var(--timeout); }
footer { margin-top: 2rem; font-size: .8rem; color: var(--quiet); }
@media (max-width: 40rem) {
  body { padding: .8rem; font-size: 14px; }
  .row { grid-template-columns: 1fr; gap: 0; } .row:not(.axis) { margin-top: .3rem; } .name { font-weight: 600; }
  .tick.odd { display: none; }
  thead { display: none; } table, tbody, tr { display: block; } tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td, td.number { display: inline-block; border: 0; padding: .05rem .6rem .05rem 0; text-align: left; } td:empty { display: none; }
  td:last-child { display: block; }
  td[data-head]::before { content: attr(data-head) " "; color: var(--quiet); font-size: .85em; }
}
@media print { details:not([open]) pre { display: none; } .timeline { break-inside: avoid; } }
`;

/** Sober, light or dark as the reader's system is, and printable. */
export const styles = `
:root {
  --paper: #fbfbfa; --ink: #1d2125; --soft: #646b73; --line: #e3e4e2; --panel: #ffffff;
  --good: #1d7a46; --bad: #b3261e; --doubt: #8a6100; --work: #3a6ea5; --fault: #c2571a; --life: #d5d9dd;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e4e6e8; --soft: #969da5; --line: #2a2f34; --panel: #1a1e22;
    --good: #5cc98b; --bad: #f2857c; --doubt: #dcb04e; --work: #79aee3; --fault: #ec8f55; --life: #343b42;
  }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 48px 28px 40px; }
.kicker { margin: 0; color: var(--soft); letter-spacing: .02em; }
h1 { font-size: 30px; line-height: 1.2; font-weight: 650; margin: 6px 0 10px; letter-spacing: -.015em; }
h1.ok { color: var(--good) } h1.violation { color: var(--bad) } h1.inconclusive { color: var(--doubt) }
h2 { font-size: 16px; font-weight: 650; margin: 0 0 12px; }
.lead { margin: 0; max-width: 68ch; color: var(--soft); }
section { margin-top: 40px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 1px; margin: 28px 0 0;
  background: var(--line); border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
.tile { background: var(--panel); padding: 14px 16px 12px; }
.tile dt { color: var(--soft); font-size: 13px; }
.tile dd { margin: 2px 0 0; font-size: 24px; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.tile.good dd { color: var(--good) } .tile.bad dd { color: var(--bad) }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 14px 7px 0; border-top: 1px solid var(--line); vertical-align: top; font-weight: 400; }
thead th { border-top: 0; color: var(--soft); font-size: 13px; }
.number { text-align: right; white-space: nowrap; }
tr.none { color: var(--soft); }
.bars { width: 22%; padding: 14px 0 0; } th code { white-space: nowrap; }
.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.bar { display: block; height: 8px; border-radius: 2px; background: var(--fault); }
.mark { width: 26px; font-weight: 700; } .mark.good { color: var(--good) } .mark.bad { color: var(--bad) }
.checks th { white-space: nowrap; padding-right: 28px; }
code, pre { font: 13px/1.5 ui-monospace, 'SF Mono', Menlo, Consolas, monospace; }
pre { overflow-x: auto; margin: 0; padding: 14px 16px; background: var(--panel); border: 1px solid var(--line); border-radius: 8px; }
.note { color: var(--soft); margin: 10px 0 0; font-size: 14px; max-width: 72ch; }
.violations { border-left: 3px solid var(--bad); padding-left: 18px; }
.doubts { border-left: 3px solid var(--doubt); padding-left: 18px; }
.violations ol, .doubts ul { margin: 0; padding-left: 20px; }
.violations li { margin: 8px 0; overflow-wrap: anywhere; }
.violations li ul { color: var(--soft); padding-left: 18px; }
details { border-top: 1px solid var(--line); padding: 12px 0; }
details:last-of-type { border-bottom: 1px solid var(--line); }
summary { cursor: pointer; }
details[open] summary { margin-bottom: 12px; }
.scroll { overflow-x: auto; }
.timeline { display: block; width: 100%; height: auto; }
.timeline text { fill: var(--soft); font: 12px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; }
.timeline .name { font: 12px ui-monospace, 'SF Mono', Menlo, Consolas, monospace; fill: var(--ink); }
.timeline .grid { stroke: var(--line); } .timeline .work { fill: var(--work); }
.timeline .fault { fill: var(--fault); } .timeline .span { fill: var(--fault); opacity: .25; }
.timeline .life { fill: var(--life); } .timeline .paused { fill: none; stroke: var(--soft); }
.timeline .phase { stroke: var(--soft); stroke-dasharray: 2 3; } .timeline .torn { fill: var(--bad); }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; overflow-wrap: anywhere; }
@media (max-width: 640px) { main { padding: 28px 16px } h1 { font-size: 24px } .bars { display: none } }
@media print { details { display: none } body { background: #fff } }
`

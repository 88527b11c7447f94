/** An event as one page of HTML that needs nothing else: no script, no font, no network. Pure; everything is escaped. */
import { parseLog } from '../run/log-lines.js';
import { duration } from '../run/time.js';
import type { DetailedEvent, NodeView, StepView } from './event-view.js';
import { STYLE } from './report-style.js';
import { statusWord } from './paint.js';
import { countsText, isFailure, missingText, placeOf, spanText } from './show-event.js';
import { type Clock, clockText, msOf, stampText, zoneText } from './times.js';

export interface ReportLog {
  readonly no: number;
  readonly node: string;
  readonly text: string;
}

export interface ReportOptions {
  readonly clock: Clock;
  readonly version: string;
}

/** Characters of logs in one page; of more, each log keeps its end only. */
const MOST_LOG = 10 * 1024 * 1024;

export function reportPage(event: DetailedEvent, logs: readonly ReportLog[], options: ReportOptions): string {
  const { clock } = options;
  const title = `${event.Name}: ${statusWord(event.Status)}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
${head(event, clock)}
${timeline(event, clock)}
${steps(event, clock)}
${logSection(event, logs, clock)}
<footer>metronome ${escape(options.version)}, ${escape(dateText(clock.now, clock))}; times in ${escape(zoneText(clock))}</footer>
</body>
</html>
`;
}

/** Text as it may stand between tags and in quoted attributes. Control characters are no HTML. */
export function escape(text: string): string {
  return text
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** With its year: a report is kept. */
function dateText(at: number | string, clock: Clock): string {
  return stampText(at, clock).slice(0, 19);
}

function head(event: DetailedEvent, clock: Clock): string {
  const span = spanText(event, clock.now);
  const times = [
    event.QueuedAt === undefined ? '' : `queued ${dateText(event.QueuedAt, clock)}`,
    event.StartedAt === undefined
      ? ''
      : `started ${event.QueuedAt === undefined ? dateText(event.StartedAt, clock) : clockText(event.StartedAt, event.QueuedAt, clock)}`,
    event.FinishedAt === undefined ? '' : `ended ${clockText(event.FinishedAt, event.StartedAt, clock)}`,
    event.RerunOf === undefined ? '' : `a rerun of ${event.RerunOf}`,
  ].filter((text) => text !== '');
  const deeds = event.Actions.map(
    (one) =>
      `<p class="quiet">${escape(`${one.what} by ${one.user} on ${one.host}, ${dateText(one.at, clock)}${one.reason === undefined ? '' : `: ${one.reason}`}`)}</p>`,
  );
  const why = event.Reason ?? event.Waiting;
  return [
    `<div class="head"><h1>${escape(event.Name)}</h1>${badge(event.Status)}${span === '' ? '' : `<span>${escape(span)}</span>`}</div>`,
    `<p class="quiet"><code>${escape(event.ID)}</code></p>`,
    why === undefined ? '' : `<p class="reason ${statusClass(event.Status)}"><span>${escape(why)}</span></p>`,
    `<p class="quiet">${escape(times.join(', '))}</p>`,
    ...deeds,
  ].join('\n');
}

// The timeline ----------------------------------------------------------------------------------------

interface Bar {
  readonly step: StepView;
  readonly node: NodeView;
  readonly from: number;
  readonly to: number;
}

function timeline(event: DetailedEvent, clock: Clock): string {
  const bars = event.StepResults.flatMap((step) =>
    step.Nodes.flatMap((node): Bar[] => {
      const from = msOf(node.StartedAt);
      if (from === undefined) return [];
      return [{ step, node, from, to: Math.max(from, msOf(node.FinishedAt) ?? clock.now) }];
    }),
  );
  if (bars.length === 0) return '';
  const start = Math.min(
    msOf(event.StartedAt) ?? Number.POSITIVE_INFINITY,
    ...spread(bars, (bar) => bar.from),
  );
  const end = Math.max(msOf(event.FinishedAt) ?? 0, ...spread(bars, (bar) => bar.to), start + 1);
  const place = (at: number) => Number((((at - start) / (end - start)) * 100).toFixed(3));
  const ticks = ticksOf(end - start);
  const grid = ticks.map((at) => `<span class="grid" style="left:${place(start + at)}%"></span>`).join('');
  const names = [...new Set(bars.map((bar) => bar.node.Node))];
  const statuses = [...new Set(bars.map((bar) => bar.node.Status))];
  const rows = names.map((name) => {
    const own = bars.filter((bar) => bar.node.Node === name).map((bar) => barOf(bar, place, clock));
    return `<div class="row"><div class="name" title="${escape(name)}">${escape(name)}</div><div class="track">${grid}${own.join('')}</div></div>`;
  });
  const axis = ticks.map(
    (at, no) =>
      `<span class="tick${no % 2 === 1 ? ' odd' : ''}${place(start + at) > 95 ? ' end' : ''}" style="left:${place(start + at)}%">${escape(at === 0 ? clockText(start, start, clock) : `+${duration(at)}`)}</span>`,
  );
  return `<h2>Timeline</h2>
<div class="legend">${statuses.map((status) => `<span class="${statusClass(status)}"><i></i>${escape(statusWord(status))}</span>`).join('')}<span>the number is the step’s</span></div>
<div class="timeline" style="--names:${Math.min(28, Math.max(...names.map((name) => name.length)) + 2)}ch">
<div class="row axis"><div class="name"></div><div class="track">${axis.join('')}</div></div>
${rows.join('\n')}
</div>`;
}

/** Without spreading a long list over the arguments of one call. */
function spread(bars: readonly Bar[], value: (bar: Bar) => number): [number, number] {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const bar of bars) {
    least = Math.min(least, value(bar));
    most = Math.max(most, value(bar));
  }
  return [least, most];
}

function barOf({ step, node, from, to }: Bar, place: (at: number) => number, clock: Clock): string {
  const left = place(from);
  const tip = [
    `<strong>${escape(`step ${step.No} ${step.Name}`)}</strong> on ${escape(node.Node)}`,
    `${escape(statusWord(node.Status))}, ${escape(duration(to - from))}, from ${escape(clockText(from, from, clock))}`,
    ...(node.Reason === undefined ? [] : [escape(node.Reason)]),
  ].join('<br>');
  return `<div class="bar ${statusClass(node.Status)}${left > 60 ? ' late' : ''}" tabindex="0" style="left:${left}%;width:${Number((place(to) - left).toFixed(3))}%"><b>${step.No}</b><div class="tip">${tip}</div></div>`;
}

/** Offsets in ms at which the axis is marked: four to eight, at round numbers. */
export function ticksOf(span: number): number[] {
  const units = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 15_000, 30_000];
  const longer = [1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440].map((minutes) => minutes * 60_000);
  const unit = [...units, ...longer].find((one) => span / one <= 7) ?? span / 5;
  return Array.from({ length: Math.floor(span / unit) + 1 }, (_, no) => no * unit);
}

// Steps and logs --------------------------------------------------------------------------------------

function steps(event: DetailedEvent, clock: Clock): string {
  if (event.StepResults.length === 0) return '';
  const rows = event.StepResults.map((step) => {
    const failures = step.Nodes.filter((node) => isFailure(node.Status)).map(
      (node) =>
        `<p class="${statusClass(node.Status)}">${escape(`${node.Node}: ${node.Reason ?? statusWord(node.Status)}`)}</p>`,
    );
    const reason =
      step.Reason === undefined || failures.length > 0 ? '' : `<p class="quiet">${escape(step.Reason)}</p>`;
    const section = step.Section === 'main' ? '' : ` <span class="quiet">(${escape(step.Section)})</span>`;
    const nodes = step.Nodes.length === 0 ? '' : escape(countsText(step.Nodes));
    return `<tr><td class="number" data-head="step">${step.No}</td><td>${escape(step.Name)}${section}</td><td data-head="on">${escape(placeOf(step))}</td><td>${badge(step.Status)}${step.Ignored ? ' ignored' : ''}</td><td data-head="took">${escape(spanText(step, clock.now))}</td><td>${nodes}${reason}${failures.join('')}</td></tr>`;
  });
  const missing = missingText(event);
  const rest = missing === undefined ? '' : `<p class="quiet">${escape(missing)}</p>`;
  return `<h2>Steps</h2>
<table><thead><tr><th>Step</th><th>Task</th><th>On</th><th>Status</th><th>Took</th><th>Nodes</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table>${rest}`;
}

function logSection(event: DetailedEvent, logs: readonly ReportLog[], clock: Clock): string {
  if (logs.length === 0) return '';
  const total = logs.reduce((sum, log) => sum + log.text.length, 0);
  const share = total > MOST_LOG ? Math.floor(MOST_LOG / logs.length) : Number.POSITIVE_INFINITY;
  const parts = logs.map((log) => {
    const step = event.StepResults.find((one) => one.No === log.no);
    const status = step?.Nodes.find((one) => one.Node === log.node)?.Status;
    const name = `step ${log.no} ${step?.Name ?? ''} on ${log.node}`;
    return `<details><summary>${escape(name)}${status === undefined ? '' : badge(status)}</summary><pre>${logText(log, share, clock)}</pre></details>`;
  });
  return `<h2>Logs</h2>\n${parts.join('\n')}`;
}

function logText(log: ReportLog, share: number, clock: Clock): string {
  const cut =
    log.text.length > share ? log.text.slice(log.text.indexOf('\n', log.text.length - share) + 1) : log.text;
  const notice =
    cut.length < log.text.length
      ? `… ${log.text.length - cut.length} characters left out: metronome logs shows them\n`
      : '';
  const lines = parseLog(cut, log.no, log.node).map(({ time, level, text }) => {
    const stamp =
      time === '' ? '' : `<span class="quiet">${escape(stampText(time, clock).slice(11))}</span> `;
    const tone = level === 'ERROR' ? 'bad' : level === 'WARN' ? 'warn' : '';
    return `${stamp}${tone === '' ? escape(text) : `<span class="${tone}">${escape(text)}</span>`}`;
  });
  return `${escape(notice)}${lines.join('\n')}\n`;
}

function badge(status: string): string {
  return `<span class="badge ${statusClass(status)}">${escape(statusWord(status))}</span>`;
}

/** Only words that the style knows become part of a class. */
function statusClass(status: string): string {
  const known = [
    'success',
    'error',
    'timeout',
    'cancelled',
    'skip',
    'waiting',
    'queued',
    'inprogress',
    'lost',
  ];
  return `s-${known.includes(status) ? status : 'waiting'}`;
}

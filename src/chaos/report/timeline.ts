import type { HistoryEntry } from '../history.ts'
import type { ChaosResult } from '../result.ts'
import { escaped } from './escaped.ts'
import { grouped } from './text.ts'

const WIDTH = 980
const LEFT = 130
const RIGHT = 8
const TOP = 26
const ROW = 20
const BARS = 84
/** Faults of one row that are drawn. */
const MAX_MARKS = 600
/** Columns of the commit chart. */
const COLUMNS = 180

/**
 * Faults and commits over time, as one drawing: records committed above, a row for each kind of fault, and a row for
 * each member with its lives.
 */
export function timeline({ history, faults, durationMs }: ChaosResult): string {
  const names = faults.filter(({ count }) => count > 0).map(({ name }) => name)
  const members = membersOf(history)
  const height = TOP + BARS + 18 + (names.length + members.length) * ROW + 34
  const x = (atMs: number) => LEFT + (atMs / durationMs) * (WIDTH - LEFT - RIGHT)
  const chart = commits(history, durationMs, x)
  const faultRows = names.map((name, i) => faultRow(history, name, TOP + BARS + 18 + i * ROW, x, durationMs))
  const lifeTop = TOP + BARS + 26 + names.length * ROW
  const lifeRows = members.map((member, i) => lifeRow(history, member, lifeTop + i * ROW, x, durationMs))
  return `<svg class="timeline" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Faults and commits over time">
${axis(durationMs, height, x)}
${phases(history, height, x)}
${chart}
${faultRows.join('\n')}
${lifeRows.join('\n')}
</svg>`
}

function axis(durationMs: number, height: number, x: (atMs: number) => number): string {
  const stepMs = niceStep(durationMs / 8)
  const lines: string[] = []
  for (let atMs = 0; atMs <= durationMs; atMs += stepMs) {
    lines.push(
      `<line class="grid" x1="${fixed(x(atMs))}" x2="${fixed(x(atMs))}" y1="${TOP}" y2="${height - 20}"/>` +
        `<text x="${fixed(x(atMs))}" y="${height - 5}" text-anchor="middle">${timeText(atMs)}</text>`,
    )
  }
  return lines.join('')
}

/** 1, 2, 5, 10, 15, 30 seconds, minutes or hours. */
function niceStep(leastMs: number): number {
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 43_200, 86_400]
  return (steps.find((step) => step * 1_000 >= leastMs) ?? 86_400) * 1_000
}

function timeText(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 120) return `${seconds} s`
  const minutes = seconds / 60
  return minutes < 120 ? `${Number(minutes.toFixed(1))} min` : `${Number((minutes / 60).toFixed(1))} h`
}

const phaseNames: Readonly<Record<string, string>> = {
  faults: 'faults begin',
  healed: 'all healed',
  proof: 'proof',
}

function phases(history: readonly HistoryEntry[], height: number, x: (atMs: number) => number): string {
  let lastX = Number.NEGATIVE_INFINITY
  return history
    .flatMap((entry) => (entry.kind === 'phase' && phaseNames[entry.name] !== undefined ? [entry] : []))
    .map(({ atMs, name }) => {
      const at = x(atMs)
      const line = `<line class="phase" x1="${fixed(at)}" x2="${fixed(at)}" y1="${TOP - 6}" y2="${height - 20}"/>`
      // Labels that would lie on each other are left out.
      const room = at - lastX > 80
      if (room) lastX = at
      const anchor = at > WIDTH - 80 ? 'end' : 'start'
      return (
        line +
        (room
          ? `<text x="${fixed(at + (anchor === 'start' ? 4 : -4))}" y="${TOP - 10}" text-anchor="${anchor}">${phaseNames[name]}</text>`
          : '')
      )
    })
    .join('')
}

/** Records that were told to be committed, column by column. */
function commits(history: readonly HistoryEntry[], durationMs: number, x: (atMs: number) => number): string {
  const columns = new Array<number>(COLUMNS).fill(0)
  const torn: number[] = []
  for (const entry of history) {
    const column = Math.min(COLUMNS - 1, Math.floor((entry.atMs / durationMs) * COLUMNS))
    if (entry.kind === 'commit') columns[column] = (columns[column] ?? 0) + entry.records
    if (entry.kind === 'observed' && entry.wrong.length > 0) torn.push(entry.atMs)
  }
  const most = Math.max(1, ...columns)
  const columnMs = durationMs / COLUMNS
  const bars = columns.map((records, i) => {
    if (records === 0) return ''
    const tall = Math.max(1, (records / most) * (BARS - 6))
    const [from, to] = [x(i * columnMs), x((i + 1) * columnMs)]
    return `<rect class="work" x="${fixed(from)}" y="${fixed(TOP + BARS - tall)}" width="${fixed(to - from - 0.7)}" height="${fixed(tall)}"><title>${grouped(records)} records committed</title></rect>`
  })
  const perSecond = Math.round((most / columnMs) * 1_000)
  const label = `<text class="name" x="${LEFT - 10}" y="${TOP + BARS - 2}" text-anchor="end">records</text>
<text x="${LEFT - 10}" y="${TOP + 10}" text-anchor="end">${grouped(perSecond)}/s</text>`
  const marks = torn.map(
    (atMs) =>
      `<circle class="torn" cx="${fixed(x(atMs))}" cy="${TOP + 4}" r="4"><title>a snapshot of the running system contradicts itself</title></circle>`,
  )
  return label + bars.join('') + marks.join('')
}

function faultRow(
  history: readonly HistoryEntry[],
  name: string,
  top: number,
  x: (atMs: number) => number,
  durationMs: number,
): string {
  const marks: string[] = []
  for (const [i, entry] of history.entries()) {
    if (entry.kind !== 'fault' || entry.nemesis !== name || marks.length >= MAX_MARKS) continue
    const healed = history
      .slice(i, i + 400)
      .find((later) => later.kind === 'healed' && later.nemesis === name)
    if (healed) {
      const width = x(Math.min(healed.atMs, durationMs)) - x(entry.atMs)
      marks.push(
        `<rect class="span" x="${fixed(x(entry.atMs))}" y="${top + 4}" width="${fixed(Math.max(1, width))}" height="${ROW - 8}"/>`,
      )
    }
    marks.push(
      `<rect class="fault" x="${fixed(x(entry.atMs) - 1.25)}" y="${top + 2}" width="2.5" height="${ROW - 4}" rx="1"><title>${escaped(`${(entry.atMs / 1_000).toFixed(2)} s: ${entry.detail}`)}</title></rect>`,
    )
  }
  return `<text class="name" x="${LEFT - 10}" y="${top + 14}" text-anchor="end">${escaped(name)}</text>${marks.join('')}`
}

/** `a` of `a#12`. */
const memberOf = (life: string) => life.slice(0, life.indexOf('#'))

function membersOf(history: readonly HistoryEntry[]): string[] {
  const members = new Set<string>()
  for (const entry of history) if (entry.kind === 'life') members.add(memberOf(entry.life))
  return [...members].sort().slice(0, 12)
}

function lifeRow(
  history: readonly HistoryEntry[],
  member: string,
  top: number,
  x: (atMs: number) => number,
  durationMs: number,
): string {
  const bars: string[] = []
  const begun = new Map<string, number>()
  const draw = (life: string, fromMs: number, untilMs: number, how: string) => {
    const title = escaped(`${life}: ${how}`)
    const width = Math.max(1, x(untilMs) - x(fromMs) - 1)
    bars.push(
      `<rect class="life" x="${fixed(x(fromMs))}" y="${top + 5}" width="${fixed(width)}" height="${ROW - 10}" rx="2"><title>${title}</title></rect>`,
    )
  }
  for (const entry of history) {
    if (entry.kind !== 'life' || memberOf(entry.life) !== member) continue
    if (entry.what === 'started') begun.set(entry.life, entry.atMs)
    else {
      draw(entry.life, begun.get(entry.life) ?? entry.atMs, entry.atMs, entry.detail)
      begun.delete(entry.life)
    }
  }
  for (const [life, fromMs] of begun) draw(life, fromMs, durationMs, 'alive to the end')
  return `<text class="name" x="${LEFT - 10}" y="${top + 14}" text-anchor="end">process ${escaped(member)}</text>${bars.join('')}`
}

function fixed(value: number): string {
  return value.toFixed(1)
}

import { stdout } from 'node:process'

export type OutputFormat = 'table' | 'json'

type Cell = string | number | bigint | boolean | null

/** One table on standard output: aligned text for people, one JSON array for programs (bigints as numbers). */
export function printTable(
  format: OutputFormat,
  rows: readonly Readonly<Record<string, Cell>>[],
  empty: string,
): void {
  if (format === 'json') {
    printJson(rows)
    return
  }
  stdout.write(`${rows.length === 0 ? empty : alignedTable(rows)}\n`)
}

/** One line of JSON on standard output (bigints as numbers). */
export function printJson(value: unknown): void {
  stdout.write(
    `${JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? Number(one) : one))}\n`,
  )
}

/** Columns in the order of the first row's fields; numbers are right-aligned. */
export function alignedTable(rows: readonly Readonly<Record<string, Cell>>[]): string {
  const names = Object.keys(rows[0] ?? {})
  const columns = names.map((name) => {
    const cells = rows.map((row) => row[name] ?? null)
    const texts = cells.map((cell) => (cell === null ? '-' : printable(String(cell))))
    const width = Math.max(name.length, ...texts.map((text) => text.length))
    const right = cells.every((cell) => cell === null || typeof cell === 'number' || typeof cell === 'bigint')
    const pad = (text: string) => (right ? text.padStart(width) : text.padEnd(width))
    return { head: pad(name), rule: '-'.repeat(width), cells: texts.map(pad) }
  })
  const line = (pick: (column: (typeof columns)[number]) => string) => columns.map(pick).join('  ').trimEnd()
  return [
    line((c) => c.head),
    line((c) => c.rule),
    ...rows.map((_, i) => line((c) => c.cells[i] ?? '')),
  ].join('\n')
}

/** Control characters would let data move the terminal's cursor. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

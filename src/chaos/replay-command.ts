import type { ChaosOptions } from './options.ts'

/** What a person types to run the same faults again. */
export function replayCommand(options: ChaosOptions, seed: number): string {
  const words = ['oncesink', 'chaos', quoted(options.job)]
  const add = (name: string, value: string | number | undefined) => {
    if (value !== undefined) words.push(name, quoted(String(value)))
  }
  add('--engine', options.engine)
  add('--faults', options.faults?.join(','))
  add('--duration', options.durationMs === undefined ? undefined : `${options.durationMs / 1_000}s`)
  add('--seed', seed)
  add('--intensity', options.intensity)
  add('--members', options.members)
  add('--rate', options.ratePerSecond)
  add('--spec', typeof options.spec === 'string' ? options.spec : undefined)
  if (options.servers) {
    add('--kafka', options.servers.brokers.join(','))
    add('--database', withoutPassword(options.servers.databaseUrl))
  }
  return words.join(' ')
}

function withoutPassword(text: string): string {
  const url = new URL(text)
  if (url.password !== '') url.password = '...'
  return url.href
}

function quoted(text: string): string {
  return /^[\w./:,@=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { endsWithThisProcess } from '../life/ends-with-this-process.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export interface BesideProgram {
  /** Below the root of the project. */
  readonly file: string
  readonly args: readonly string[]
  /** Aborting it sends SIGINT, after which the program tells what it has reached. */
  readonly signal: AbortSignal
  /** What it says of its progress, every few seconds, and the end of what it says where it prints no object. */
  readonly note: (line: string) => void
  /** Besides this process's own. */
  readonly env?: Readonly<Record<string, string>>
  /** As `nice` takes it: from 0 to 19, which takes only what others leave of the processors. Default 0. */
  readonly niceness?: number
}

const NOTE_EVERY_MS = 15_000
const LAST_LINES = 20

/**
 * Runs a TypeScript program of the project's tests, which prints one JSON object as its last line.
 * @returns that object; null where there is no such program, or it has printed none
 */
export async function runBeside({
  file,
  args,
  signal,
  note,
  env = {},
  niceness = 0,
}: BesideProgram): Promise<Record<string, unknown> | null> {
  if (!existsSync(`${root}${file}`)) return null
  const jiti = `${root}node_modules/jiti/lib/jiti-cli.mjs`
  const child = spawn('nice', ['-n', String(niceness), process.execPath, jiti, file, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    // Ctrl-C in the terminal is for this process, which ends it.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  endsWithThisProcess(child)
  const end = () => void child.kill('SIGINT')
  if (signal.aborted) end()
  signal.addEventListener('abort', end, { once: true })
  let last = ''
  createInterface({ input: child.stdout }).on('line', (line) => {
    last = line
  })
  const said: string[] = []
  let notedAtMs = performance.now()
  createInterface({ input: child.stderr }).on('line', (line) => {
    said.push(line)
    if (said.length > LAST_LINES) said.shift()
    if (performance.now() - notedAtMs < NOTE_EVERY_MS) return
    notedAtMs = performance.now()
    note(`${file}: ${line.trim()}`)
  })
  await once(child, 'close')
  signal.removeEventListener('abort', end)
  try {
    return JSON.parse(last) as Record<string, unknown>
  } catch {
    for (const line of said) note(`${file}: ${line}`)
    return null
  }
}

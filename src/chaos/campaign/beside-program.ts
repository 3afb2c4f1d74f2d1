import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../../', import.meta.url))

export interface BesideProgram {
  /** Below the root of the project. */
  readonly file: string
  readonly args: readonly string[]
  /** Aborting it sends SIGINT, after which the program tells what it has reached. */
  readonly signal: AbortSignal
  /** Every line of its output but the last object. */
  readonly note: (line: string) => void
}

/**
 * Runs a TypeScript program of the project's tests, which prints one JSON object as its last line.
 * @returns that object; null where there is no such program, or it has printed none
 */
export async function runBeside({
  file,
  args,
  signal,
  note,
}: BesideProgram): Promise<Record<string, unknown> | null> {
  if (!existsSync(`${root}${file}`)) return null
  const child = spawn(process.execPath, [`${root}node_modules/jiti/lib/jiti-cli.mjs`, file, ...args], {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const end = () => void child.kill('SIGINT')
  signal.addEventListener('abort', end, { once: true })
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const previous = lines.at(-1)
    if (previous !== undefined) note(previous)
    lines.splice(0, lines.length, line)
  })
  await once(child, 'close')
  signal.removeEventListener('abort', end)
  try {
    return JSON.parse(lines.at(-1) ?? '') as Record<string, unknown>
  } catch {
    return null
  }
}

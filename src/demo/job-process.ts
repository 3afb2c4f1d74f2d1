import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { performance } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { OncesinkError } from '../errors.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const cli = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))
export const jobFile = fileURLToPath(new URL('../../examples/orders/job.ts', import.meta.url))

/** What a job's log tells of its life. */
export interface LifeEvents {
  /** The command's own first code ran, `startMs` after the process was started. */
  onStarted(startMs: number): void
  /** Where reading begins: next offset by `topic/partition`. */
  onClaimed(positions: Readonly<Record<string, number>>): void
  /** A batch has committed; `ranges` are texts like `orders/0 [10, 20)`. */
  onBatch(records: number, ranges: readonly string[]): void
}

const LAST_LINES = 15

/**
 * One life of `oncesink run`, in a process of its own.
 *
 * States: `running` -> kill() | stop() | it ends by itself -> `ended`.
 */
export class JobProcess {
  readonly #child: ChildProcess
  readonly #lastLines: string[] = []
  /** True once this process was told to end. */
  #expected = false
  readonly #ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #unexpected: Promise<never>

  constructor(env: Readonly<Record<string, string>>, events: LifeEvents) {
    // A process group of its own: Ctrl-C reaches the demo, which ends the job in order.
    this.#child = spawn(process.execPath, [cli, '--log-format', 'json', 'run', jobFile], {
      cwd: root,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#ended = once(this.#child, 'close').then(([code, signal]) => ({ code, signal }))
    if (this.#child.stderr) {
      createInterface({ input: this.#child.stderr }).on('line', (line) => {
        this.#lastLines.push(line)
        if (this.#lastLines.length > LAST_LINES) this.#lastLines.shift()
        deliver(line, events)
      })
    }
    this.#unexpected = this.#ended.then(({ code, signal }) => {
      if (this.#expected) return new Promise<never>(() => {})
      throw new OncesinkError(
        'INVARIANT_VIOLATED',
        `the job ended by itself (${signal ?? `exit code ${code}`}); its last words:\n${this.#lastLines.join('\n')}`,
      )
    })
    // Whoever waits for the job hears of it; a life that nobody is waiting for may end.
    this.#unexpected.catch(() => {})
  }

  /** `work`, unless the job ends by itself meanwhile: then that is the error. */
  async whileAlive<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#unexpected])
  }

  /**
   * SIGKILL; resolves when the process is gone.
   * @returns when the signal was sent, on the clock of `performance.now()`
   */
  async kill(): Promise<number> {
    this.#expected = true
    const at = performance.now()
    this.#child.kill('SIGKILL')
    await this.#ended
    return at
  }

  /**
   * SIGTERM: the job finishes its batch and ends.
   * @throws OncesinkError INVARIANT_VIOLATED when its exit code is not 0
   */
  async stop(): Promise<void> {
    this.#expected = true
    this.#child.kill('SIGTERM')
    const { code, signal } = await this.#ended
    if (code === 0) return
    throw new OncesinkError(
      'INVARIANT_VIOLATED',
      `after SIGTERM the job ended with ${signal ?? `exit code ${code}`} instead of 0; its last words:\n` +
        this.#lastLines.join('\n'),
    )
  }
}

/** Runs `oncesink verify` on the example job; resolves with its report, whatever its exit code says. */
export async function runVerify(
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [cli, '--format', 'json', 'verify', jobFile], {
    cwd: root,
    env: { ...process.env, ...env },
    signal,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [out, log] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    log += String(chunk)
  })
  const [code] = await once(child, 'close')
  const report: unknown = parseLine(out)
  if (typeof report === 'object' && report !== null) return report as Record<string, unknown>
  throw new OncesinkError('INVARIANT_VIOLATED', `oncesink verify failed with exit code ${code}:\n${log}`)
}

function deliver(line: string, events: LifeEvents): void {
  const entry = parseLine(line) as Record<string, unknown> | undefined
  if (entry?.event === 'process') events.onStarted(Number(entry.startMs))
  if (entry?.event === 'claimed') events.onClaimed(entry.positions as Record<string, number>)
  if (entry?.event === 'batch') events.onBatch(Number(entry.records), entry.ranges as string[])
}

/** Undefined for what is no JSON: a stack trace, or a line that SIGKILL has cut. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

import { setTimeout as sleep } from 'node:timers/promises'
import type { SeededRandom } from '../../runtime/seeded-random.ts'
import type { History } from '../history.ts'
import { failureCode, Life, type LogLine, lastWords } from './life.ts'
import type { LifeEnd } from './life-process.ts'
import type { LifeSettings } from './settings.ts'

const POLL_MS = 10
/** Between the end of a life and the beginning of the next one of its member, in milliseconds. */
const RESTART_MS = 150
/** After a life that has ended by itself; doubled each time in a row, up to the most. */
const FIRST_BACKOFF_MS = 300
const MAX_BACKOFF_MS = 5_000
/** How long SIGTERM may take; the job's own deadline is shorter. */
const STOP_MS = 40_000

export interface LivesOptions {
  readonly jobFile: string
  readonly env: NodeJS.ProcessEnv
  /** Settings of a member's next life. */
  readonly settings: (member: string | null) => LifeSettings
  readonly history: History
  readonly signal: AbortSignal
}

/** An end that nobody has asked for. */
export interface UnexpectedEnd {
  readonly life: string
  readonly code: string | null
  readonly words: string
  readonly atMs: number
}

/**
 * The processes of the job: one for each member, begun again whenever it ends.
 */
export class Lives {
  readonly unexpected: UnexpectedEnd[] = []
  readonly #options: LivesOptions
  readonly #members = new Map<string | null, Life | null>()
  readonly #points = new Set<string>()
  readonly #expected = new WeakSet<Life>()
  readonly #acknowledged = new Set<string>()
  #begun = 0
  #failuresInARow = 0
  #resting = false

  constructor(options: LivesOptions) {
    this.#options = options
  }

  /** Fault points and crash points that some life has come by. */
  get points(): readonly string[] {
    return [...this.#points].sort()
  }

  /** Batches whose commit some life knew of. */
  get acknowledged(): ReadonlySet<string> {
    return this.#acknowledged
  }

  /** Lives begun so far. */
  get begun(): number {
    return this.#begun
  }

  get members(): readonly (string | null)[] {
    return [...this.#members.keys()]
  }

  /** Lives that have claimed partitions and are not stopped. */
  get working(): Life[] {
    return [...this.#members.values()].filter((life): life is Life => life?.working === true)
  }

  get alive(): Life[] {
    return [...this.#members.values()].filter((life): life is Life => life !== null && life.end === null)
  }

  /** A member joins, and is begun again whenever it ends, until it {@link leave}s. */
  join(member: string | null): Life {
    const life = this.#begin(member)
    return life
  }

  /** The member's process is told to end (SIGTERM), and does not come back. */
  async leave(member: string | null): Promise<LifeEnd | null> {
    const life = this.#members.get(member)
    this.#members.delete(member)
    return life ? this.#stop(life) : null
  }

  /**
   * A life that has committed at least one batch, so that something is at stake; waits for one.
   * @returns null when there is none after `boundMs`
   */
  async established(random: SeededRandom, boundMs = 20_000): Promise<Life | null> {
    for (let waitedMs = 0; waitedMs < boundMs; waitedMs += POLL_MS) {
      this.#options.signal.throwIfAborted()
      const candidates = this.working.filter(({ commits }) => commits > 0)
      if (candidates.length > 0) return candidates[random.integer(0, candidates.length - 1)] ?? null
      await sleep(POLL_MS)
    }
    return null
  }

  /** Says that this life's end is the run's doing. To be called before it is harmed. */
  expectEnd(life: Life): void {
    this.#expected.add(life)
  }

  async kill(life: Life): Promise<void> {
    this.expectEnd(life)
    await life.kill()
  }

  /** From now on no life is begun again, until {@link wake}. */
  rest(): void {
    this.#resting = true
  }

  wake(): void {
    this.#resting = false
    for (const [member, life] of this.#members) if (life === null || life.end !== null) this.#begin(member)
  }

  /** Every process is told to end (SIGTERM); resolves with how they did. */
  async stopAll(): Promise<LifeEnd[]> {
    this.rest()
    for (const life of this.alive) if (life.paused) life.signal('SIGCONT')
    return Promise.all(this.alive.map((life) => this.#stop(life)))
  }

  async killAll(): Promise<void> {
    this.rest()
    await Promise.all(this.alive.map((life) => this.kill(life)))
  }

  #stop(life: Life): Promise<LifeEnd> {
    this.expectEnd(life)
    return life.stop(STOP_MS)
  }

  #begin(member: string | null): Life {
    const { jobFile, env, settings, history } = this.#options
    this.#begun += 1
    const name = `${member ?? 'job'}#${this.#begun}`
    const life = new Life({
      name,
      jobFile,
      env,
      settings: settings(member),
      hear: (line, speaker) => this.#heard(line, speaker),
    })
    this.#members.set(member, life)
    history.add({ kind: 'life', life: name, what: 'started', detail: `process ${life.pid}` })
    void life.ended.then((end) => this.#onEnd(member, life, end))
    return life
  }

  async #onEnd(member: string | null, life: Life, end: LifeEnd): Promise<void> {
    const { history, signal } = this.#options
    const expected = this.#expected.has(life)
    const how = end.signal ?? `exit code ${end.code}`
    history.add({
      kind: 'life',
      life: life.name,
      what: 'ended',
      detail: expected ? how : `${how}, by itself`,
    })
    if (!expected) {
      this.unexpected.push({
        life: life.name,
        code: failureCode(end),
        words: lastWords(end),
        atMs: history.nowMs,
      })
      this.#failuresInARow += 1
    }
    const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(10, this.#failuresInARow - 1))
    await sleep(expected ? RESTART_MS : backoffMs)
    if (this.#members.get(member) === life && !this.#resting && !signal.aborted) this.#begin(member)
  }

  #heard(line: LogLine, life: Life): void {
    const { history } = this.#options
    switch (line.event) {
      case 'batch':
        this.#failuresInARow = 0
        this.#acknowledged.add(String(line.batchId))
        history.add({
          kind: 'commit',
          life: life.name,
          batchId: String(line.batchId),
          records: Number(line.records),
          ranges: line.ranges as string[],
        })
        return
      case 'point':
        this.#points.add(String(line.point))
        return
      case 'killedAt':
        this.expectEnd(life)
        history.add({ kind: 'said', life: life.name, event: 'killedAt', detail: String(line.point) })
        return
      case 'stoppedAt':
        history.add({ kind: 'said', life: life.name, event: 'stoppedAt', detail: String(line.point) })
        return
      case 'claimed':
        history.add({
          kind: 'said',
          life: life.name,
          event: 'claimed',
          detail: Object.entries(line.positions as Record<string, number>)
            .map(([partition, offset]) => `${partition} from ${offset}`)
            .join(', '),
        })
        return
      case 'lost':
      case 'batchFailed':
      case 'outcomeSettled':
      case 'recovered':
      case 'blockerEnded':
      case 'deadLetter':
      case 'workerCrashed':
      case 'jumped':
      case 'failed':
      case 'warning':
        history.add({
          kind: 'said',
          life: life.name,
          event: line.event,
          detail: String(line.msg ?? line.ms ?? ''),
        })
        return
      default:
    }
  }
}

import { OncesinkError } from '../../src/errors.ts'
import type { Job } from '../../src/job/job.ts'
import type { SimulatedCoordinator } from './coordinator.ts'
import type { SimulatedDatabase } from './database.ts'
import type { FaultInjector } from './faults.ts'
import { MemberIds, SimulatedMembership, soleMembership } from './group.ts'
import { Host } from './host.ts'
import { live, type Sabotage } from './life.ts'
import type { SimulatedLog } from './log.ts'
import type { Scenario } from './scenario.ts'
import { simulatedSource } from './source.ts'
import type { Watcher } from './watcher.ts'
import type { World } from './world.ts'

export const MAX_OWNERS = 4
/** A supervisor starts no more processes than that in a storm. */
const MAX_PROCESSES = 14

export interface OwnersDeps {
  readonly scenario: Scenario
  readonly world: World
  readonly log: SimulatedLog
  readonly faults: FaultInjector
  readonly database: SimulatedDatabase
  readonly watcher: Watcher
  readonly group: SimulatedCoordinator | null
  readonly job: Job
  readonly sabotage: Sabotage | null
}

export interface Owner {
  readonly host: Host
  readonly membership: SimulatedMembership | null
  readonly stopping: AbortController
  hasEnded: boolean
}

/** The processes of a job, and the supervisor that starts them again. */
export class Owners {
  readonly #deps: OwnersDeps
  readonly #owners: Owner[] = []
  #drainer: Owner | null = null
  #isHealing = false
  readonly #ids = new MemberIds()

  constructor(deps: OwnersDeps) {
    this.#deps = deps
  }

  get count(): number {
    return this.#owners.length
  }

  get living(): Owner[] {
    return this.#owners.filter(({ host, hasEnded }) => !host.crashed && !hasEnded)
  }

  /** Whether the process that was to drain the log has ended. */
  get hasDrained(): boolean {
    return this.#drainer?.hasEnded ?? false
  }

  grantOf(host: string, key: string): number {
    const owner = this.#owners.find((one) => one.host.name === host)
    const { told, lastTold } = owner?.membership ?? {}
    // Where ranges commit one by one, claims are made beside the loop: it may let go of a partition meanwhile.
    const grants = this.#deps.watcher.claimsOneByOne ? lastTold : told
    return grants?.get(key) ?? 0
  }

  /** One of those that live, null where none does. */
  pick(fraction: number): Owner | null {
    const { living } = this
    return living[Math.floor(fraction * living.length)] ?? null
  }

  launch(once = false): Owner {
    const { scenario, world, log, faults, database, watcher, group, job, sabotage } = this.#deps
    const number = this.#owners.length
    const host = new Host(world, `p${number}`, scenario.seed, number)
    host.note(() => 'is started')
    const ids = scenario.memberIds === 'static' ? this.#ids : null
    const membership =
      group === null
        ? null
        : new SimulatedMembership({
            coordinator: group,
            host,
            faults,
            log,
            ids,
            onGained: (grants) => this.#mustBeFree(host, grants),
          })
    const owner: Owner = { host, membership, stopping: new AbortController(), hasEnded: false }
    this.#owners.push(owner)
    host.onCrash(() => this.#supervise())
    live({
      host,
      job,
      database,
      source: simulatedSource(host, log, faults),
      membership: membership ?? soleMembership(log),
      watcher,
      once,
      stop: owner.stopping.signal,
      sabotage,
    }).then(
      () => this.#ended(owner, null),
      (error: unknown) => this.#ended(owner, error),
    )
    return owner
  }

  /** The faults are over: whoever was stopped or cut off is not any more, and somebody runs. */
  heal(): void {
    this.#isHealing = true
    for (const { host } of this.#owners) {
      host.cutOffUntil = 0
      host.wake()
    }
    if (this.#deps.scenario.ending === 'drain') {
      this.killAll()
      this.#drainer = this.launch(true)
    } else if (this.living.length === 0) this.launch()
  }

  killAll(): void {
    for (const { host } of this.#owners) host.crash()
  }

  #ended(owner: Owner, error: unknown): void {
    const { watcher } = this.#deps
    owner.hasEnded = true
    owner.host.note(() => `ends${error === null ? '' : `: ${String(error)}`}`)
    if (error !== null && !this.#mayEndWith(owner, error))
      watcher.report(`${owner.host.name} has ended with ${describe(error)}`)
    this.#supervise()
  }

  /** Whether a process is right to give up. */
  #mayEndWith({ host }: Owner, error: unknown): boolean {
    if (!(error instanceof OncesinkError)) return false
    const { scenario, watcher } = this.#deps
    if (error.code === 'OWNERSHIP_LOST')
      return scenario.assignment === 'all' && watcher.wasReplaced(host.name)
    // A batch that has failed several times alone stops the job, as it should.
    const cause = error.cause
    return (
      error.code === 'DATABASE_REFUSED' &&
      cause instanceof OncesinkError &&
      (cause.code === 'STATEMENT_TIMEOUT' || cause.code === 'DATABASE_UNAVAILABLE')
    )
  }

  /**
   * The first phase of a hand-over: nobody has what somebody else, whom the group has heard, has not let go of.
   *
   * One that was stopped may hear of a generation that has passed without it meanwhile: what it was given then may have
   * been given again since. It learns that when it confirms its membership before it claims; the grants of claims show
   * whether it has.
   */
  #mustBeFree(host: Host, grants: ReadonlyMap<string, number>): void {
    const { group, watcher } = this.#deps
    const mayBeLate = !group?.isHeeded(host)
    for (const { host: other, membership, hasEnded } of this.#owners) {
      if (other === host || other.crashed || hasEnded || !membership || membership.isLeftOut) continue
      if (!group?.isHeeded(other)) continue
      for (const [key, grant] of grants) {
        const held = membership.told.get(key)
        if (held === undefined || (mayBeLate && grant < held)) continue
        watcher.report(`${host.name} is given ${key}, which ${other.name} has not let go of`)
      }
    }
  }

  /** Nobody runs: somebody is started. */
  #supervise(): void {
    const { scenario, world } = this.#deps
    if (this.#isHealing && scenario.ending === 'drain') return
    world.schedule(50, () => {
      if (this.living.length > 0) return
      if (this.#owners.length < MAX_PROCESSES || this.#isHealing) this.launch()
    })
  }
}

function describe(error: unknown): string {
  return error instanceof OncesinkError ? `${error.code}: ${error.message}` : String(error)
}

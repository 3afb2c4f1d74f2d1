import { SeededRandom } from '../../src/runtime/seeded-random.ts'
import { eventually } from './eventually.ts'
import type { JobProcess, LogLine } from './job-process.ts'
import type { World } from './witness-world.ts'

/** Names that members may have; a name has one process at a time. */
const NAMES = ['a', 'b', 'c', 'd']
const RECORDS_PER_STEP = 60

export interface StormOptions {
  readonly seed: number
  readonly steps: number
  /** How long a stopped process stays so, in milliseconds, at most: longer than the session, so that some are missed. */
  readonly maxStopMs: number
  /** Pause between two steps, in milliseconds, at most. */
  readonly maxPauseMs: number
}

export interface StormReport {
  readonly joins: number
  readonly leaves: number
  readonly kills: number
  readonly stops: number
  /** Processes that have ended by themselves, with their exit code. */
  readonly ended: readonly string[]
}

/**
 * Members of one job join, leave (SIGTERM), die (SIGKILL) and are stopped (SIGSTOP, SIGCONT) in an order that the seed
 * decides, while records are produced. It ends with the living members running undisturbed.
 */
export async function groupStorm(world: World, options: StormOptions): Promise<StormReport> {
  const random = new SeededRandom(options.seed)
  const members = new Map<string, JobProcess>()
  const counts = { joins: 0, leaves: 0, kills: 0, stops: 0 }
  const ended: string[] = []
  const bury = () => {
    for (const [name, { end }] of members) {
      if (!end) continue
      ended.push(`${name}: ${end.signal ?? end.code} ${end.stderr.split('\n').slice(-3).join(' ')}`)
      members.delete(name)
    }
  }
  /** One that was still being loaded has not heard the signal. */
  const left = async (name: string, process: JobProcess) => {
    const { code, signal, stderr } = await process.ended
    if (code !== 0 && signal !== 'SIGTERM') ended.push(`${name}: ${code} after SIGTERM ${stderr.slice(-500)}`)
  }
  const join = (name: string) => {
    counts.joins += 1
    members.set(name, world.runMember(name))
  }
  const waking: Promise<void>[] = []
  for (const name of NAMES.slice(0, 2)) join(name)
  for (let step = 0; step < options.steps; step++) {
    await world.produce(RECORDS_PER_STEP)
    bury()
    const running = [...members].filter(([, { log }]) => log.some(isClaim))
    const [name, process] = running[random.integer(0, Math.max(0, running.length - 1))] ?? []
    const free = NAMES.filter((candidate) => !members.has(candidate))
    const what = random.integer(0, 9)
    if (free.length > 0 && (members.size < 2 || what < 4)) {
      join(free[random.integer(0, free.length - 1)] ?? '')
    } else if (!name || !process) {
      // Nobody has come up yet.
      await eventually(() => [...members.values()].some(({ log, end }) => end || log.some(isClaim)))
    } else if (what < 6) {
      counts.leaves += 1
      members.delete(name)
      process.kill('SIGTERM')
      await left(name, process)
    } else if (what < 8) {
      counts.kills += 1
      members.delete(name)
      process.kill('SIGKILL')
      await process.ended
    } else {
      counts.stops += 1
      process.kill('SIGSTOP')
      waking.push(sleep(random.fraction() * options.maxStopMs).then(() => process.kill('SIGCONT')))
    }
    await sleep(random.fraction() * options.maxPauseMs)
  }
  await Promise.all(waking)
  bury()
  for (const name of NAMES) if (members.size < 2 && !members.has(name)) join(name)
  await world.drained(120_000)
  // Everybody is well at the end, also those that own nothing.
  await eventually(() => [...members.values()].every(({ log }) => log.length > 0))
  bury()
  for (const process of members.values()) process.kill('SIGTERM')
  for (const [name, process] of members) await left(name, process)
  return { ...counts, ended }
}

function isClaim({ event }: LogLine): boolean {
  return event === 'claimed'
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

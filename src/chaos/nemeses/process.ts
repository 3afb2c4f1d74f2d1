import type { SeededRandom } from '../../runtime/seeded-random.ts'
import type { Life } from '../life/life.ts'
import type { Nemesis } from '../nemesis.ts'
import type { World } from '../world.ts'
import { pause, until } from './wait.ts'

/** SIGKILL of a process that has committed at least one batch, anywhere in what it does. */
export const kill: Nemesis = {
  name: 'kill',
  title: 'SIGKILL of a process at any moment',
  realm: 'process',
  async inject(world, random) {
    const life = await world.lives.established(random)
    if (!life) return
    await pause(world, random.integer(0, 60))
    if (life.end) return
    await world.lives.kill(life)
    world.history.fault('kill', `SIGKILL of ${life.name} after ${life.commits} commits`)
  },
}

/** How long a process may take to come by the point at which it is to die. */
const POINT_BOUND_MS = 4_000

/** SIGKILL at a named place: of the commit protocol, or a crashPoint(...) of the job's own code. */
export const killAtPoint: Nemesis = {
  name: 'kill-at-point',
  title: 'SIGKILL at each named point of claim, batch and commit, and at crashPoint()s of the job',
  realm: 'process',
  async inject(world, random) {
    const life = await world.lives.established(random)
    if (!life) return
    const { points } = world.lives
    const point = nextPoint(world, points, random.integer(0, Math.max(0, points.length - 1)))
    if (point === null) return
    world.lives.expectEnd(life)
    life.command({ do: 'arm', point, visit: random.integer(1, 3), signal: 'SIGKILL' })
    // A claim is made by a process that begins: there the next life comes by.
    if (!(await until(world, () => life.end !== null, POINT_BOUND_MS))) {
      await world.lives.kill(life)
      world.history.fault('kill', `SIGKILL of ${life.name}, which did not come by ${point} again`)
      return
    }
    done(world).add(point)
    world.history.fault('kill-at-point', `SIGKILL of ${life.name} at ${point}`)
  },
}

const killedAt = new WeakMap<World, Set<string>>()

function done(world: World): Set<string> {
  const points = killedAt.get(world) ?? new Set<string>()
  killedAt.set(world, points)
  return points
}

/** Points come by turns, so that a run of some length has killed at every one. */
function nextPoint(world: World, points: readonly string[], start: number): string | null {
  const reachable = points.filter((point) => !point.startsWith('claim.'))
  const rest = reachable.filter((point) => !done(world).has(point))
  if (rest.length === 0) done(world).clear()
  const from = rest.length > 0 ? rest : reachable
  return from[start % Math.max(1, from.length)] ?? null
}

/** Where a zombie is worst: what it holds was computed, and is not compared with the stored positions yet. */
const BEFORE_COMPARING = ['batch.computed', 'transaction.begun']

/** A zombie: it sleeps until its partitions are somebody else's, and then goes on where it was. */
export const stop: Nemesis = {
  name: 'pause',
  title: 'SIGSTOP for longer than the session timeout, then SIGCONT',
  realm: 'process',
  async inject(world, random) {
    const life = await world.lives.established(random)
    if (!life) return
    const where = await fallAsleep(world, life, random)
    if (life.end) return
    const ms = world.sessionTimeoutMs + random.integer(500, 2_500)
    world.history.fault('pause', `SIGSTOP of ${life.name} ${where} for ${(ms / 1_000).toFixed(1)} s`)
    await pause(world, ms)
    wake(life)
  },
  heal: wakeAll,
}

/** Of three times once at any moment, once before its positions are compared, once at another point. */
async function fallAsleep(world: World, life: Life, random: SeededRandom): Promise<string> {
  const kind = random.integer(0, 2)
  const points =
    kind === 1 ? BEFORE_COMPARING : world.lives.points.filter((name) => !name.startsWith('claim.'))
  const point = points[random.integer(0, Math.max(0, points.length - 1))]
  if (kind !== 0 && point !== undefined) {
    life.command({ do: 'arm', point, visit: random.integer(1, 3), signal: 'SIGSTOP' })
    if (await until(world, () => life.paused || life.end !== null, POINT_BOUND_MS)) return `at ${point}`
  }
  await pause(world, random.integer(0, 40))
  life.signal('SIGSTOP')
  return 'at any moment'
}

async function wakeAll(world: World): Promise<void> {
  for (const life of world.lives.alive) if (life.paused) wake(life)
}

function wake(life: Life): void {
  if (life.end === null) life.signal('SIGCONT')
}

/** Of a hundred milliseconds the process may run so many. */
const STARVED_RUN_MS = 8
const STARVED_STOP_MS = 92

/** SIGSTOP and SIGCONT by turns: what a container without its share of the processor sees. */
export const starve: Nemesis = {
  name: 'starve',
  title: 'a process gets 8 % of a processor for some seconds',
  realm: 'process',
  async inject(world, random) {
    const life = await world.lives.established(random)
    if (!life) return
    const endMs = world.history.nowMs + random.integer(1_500, 4_000)
    world.history.fault('starve', `${life.name} is starved of processor time`)
    while (world.history.nowMs < endMs && life.end === null && !world.signal.aborted) {
      life.signal('SIGSTOP')
      await pause(world, STARVED_STOP_MS)
      wake(life)
      await pause(world, STARVED_RUN_MS)
    }
    wake(life)
  },
  heal: wakeAll,
}

export const workerCrash: Nemesis = {
  name: 'worker-crash',
  title: 'a worker thread of the job ends',
  realm: 'process',
  unfit: ({ job }) => (job.executor.kind === 'workerThreads' ? null : 'the job has no worker threads'),
  async inject(world, random) {
    const life = await world.lives.established(random)
    if (!life) return
    world.lives.expectEnd(life)
    life.command({ do: 'crashWorker' })
    if (await until(world, () => life.end !== null, 15_000)) {
      world.history.fault(
        'worker-crash',
        `a worker thread of ${life.name} ended, and with it the process (exit code ${life.end?.code})`,
      )
    }
  },
}

const HOUR_MS = 3_600_000

export const clockJump: Nemesis = {
  name: 'clock-jump',
  title: 'the wall clock of a process jumps by up to a day, to and fro',
  realm: 'process',
  async inject(world, random) {
    const life = await world.lives.established(random)
    if (!life) return
    const hours = random.integer(1, 24) * (random.integer(0, 1) === 0 ? -1 : 1)
    const jumped = () =>
      world.history.entries.some(
        (entry) => entry.kind === 'said' && entry.event === 'jumped' && entry.life === life.name,
      )
    life.command({ do: 'jump', ms: hours * HOUR_MS })
    if (!(await until(world, jumped, 3_000))) return
    world.history.fault('clock-jump', `${life.name}: ${hours} hours`)
    await pause(world, random.integer(200, 800))
    life.command({ do: 'jump', ms: -2 * hours * HOUR_MS })
  },
}

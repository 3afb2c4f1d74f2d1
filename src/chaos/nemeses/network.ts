import type { SeededRandom } from '../../runtime/seeded-random.ts'
import type { Nemesis, Realm } from '../nemesis.ts'
import type { TcpProxy } from '../tcp-proxy.ts'
import type { World } from '../world.ts'
import { pause } from './wait.ts'

/** Connections that are harmed, by the proxies that they lead through. */
interface Side {
  readonly realm: Realm
  /** Before the names of its faults. */
  readonly prefix: string
  /** To what the connections are. */
  readonly to: string
  readonly proxies: (world: World) => readonly TcpProxy[]
}

const database: Side = {
  realm: 'network',
  prefix: '',
  to: 'the database',
  proxies: (world) => [world.database.proxy],
}

const brokers: Side = {
  realm: 'broker',
  prefix: 'broker-',
  to: 'the brokers',
  proxies: (world) => world.kafka.proxies,
}

/** Those through which connections lead now: all, or by chance one of several, as where one broker cannot be reached. */
function inUse(side: Side, world: World, random: SeededRandom): readonly TcpProxy[] {
  const used = side.proxies(world).filter(({ connections }) => connections > 0)
  const one = used[random.integer(0, used.length * 2 - 1)]
  return used.length > 1 && one ? [one] : used
}

/** `to the brokers`, or which part of it. */
function reach(side: Side, world: World, harmed: readonly TcpProxy[]): string {
  const all = side.proxies(world).filter(({ connections }) => connections > 0)
  return harmed.length < all.length ? `to one of ${side.to}` : `to ${side.to}`
}

function connectionsOf(proxies: readonly TcpProxy[]): number {
  return proxies.reduce((sum, { connections }) => sum + connections, 0)
}

function reset(side: Side): Nemesis {
  const name = `${side.prefix}reset`
  return {
    name,
    title: `connections to ${side.to} are reset`,
    realm: side.realm,
    async inject(world, random) {
      const harmed = inUse(side, world, random)
      const [count, where] = [connectionsOf(harmed), reach(side, world, harmed)]
      for (const proxy of harmed) proxy.reset()
      if (count > 0) world.history.fault(name, `${count} connections ${where} were reset`)
    },
  }
}

function halfOpen(side: Side): Nemesis {
  const name = `${side.prefix}half-open`
  return {
    name,
    title: `no byte passes to or from ${side.to}, and nobody is told`,
    realm: side.realm,
    async inject(world, random) {
      const harmed = inUse(side, world, random)
      if (harmed.length === 0) return
      for (const proxy of harmed) proxy.blackhole()
      const ms = random.integer(500, 6_000)
      const what = `${connectionsOf(harmed)} connections ${reach(side, world, harmed)}`
      world.history.fault(name, `${what} are silent for ${(ms / 1_000).toFixed(1)} s`)
      await pause(world, ms)
    },
    async heal(world) {
      for (const proxy of side.proxies(world)) proxy.heal()
    },
  }
}

function slow(side: Side): Nemesis {
  const name = `${side.prefix}slow`
  return {
    name,
    title: `everything to and from ${side.to} takes longer`,
    realm: side.realm,
    async inject(world, random) {
      const harmed = inUse(side, world, random)
      if (harmed.length === 0) return
      const delayMs = random.integer(20, 250)
      for (const proxy of harmed) proxy.delay(delayMs)
      world.history.fault(name, `each message ${reach(side, world, harmed)} takes ${delayMs} ms more`)
      await pause(world, random.integer(1_500, 4_000))
    },
    async heal(world) {
      for (const proxy of side.proxies(world)) proxy.delay(0)
    },
  }
}

function throttle(side: Side): Nemesis {
  const name = `${side.prefix}throttle`
  return {
    name,
    title: `connections to ${side.to} have little bandwidth`,
    realm: side.realm,
    async inject(world, random) {
      const harmed = inUse(side, world, random)
      if (harmed.length === 0) return
      const bytes = random.integer(4, 32) * 1_024
      for (const proxy of harmed) proxy.throttle(bytes)
      const each = `each connection ${reach(side, world, harmed)}`
      world.history.fault(name, `${bytes / 1_024} KiB/s for ${each}`)
      await pause(world, random.integer(1_500, 4_000))
    },
    async heal(world) {
      for (const proxy of side.proxies(world)) proxy.throttle(null)
    },
  }
}

/** What networks do, to connections to the database and to those to brokers. */
export const network: readonly Nemesis[] = [database, brokers].flatMap((side) => [
  reset(side),
  halfOpen(side),
  slow(side),
  throttle(side),
])

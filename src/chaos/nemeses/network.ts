import type { Nemesis } from '../nemesis.ts'
import { pause } from './wait.ts'

export const reset: Nemesis = {
  name: 'reset',
  title: 'every connection to the database is reset',
  realm: 'network',
  async inject(world) {
    const { proxy } = world.database
    const before = proxy.injected.reset
    proxy.reset()
    const count = proxy.injected.reset - before
    if (count > 0) {
      world.history.fault('reset', `${count} connections to the database were reset`)
    }
  },
}

export const halfOpen: Nemesis = {
  name: 'half-open',
  title: 'no byte passes to or from the database, and nobody is told',
  realm: 'network',
  async inject(world, random) {
    const { proxy } = world.database
    if (proxy.connections === 0) return
    proxy.blackhole()
    const ms = random.integer(500, 6_000)
    world.history.fault(
      'half-open',
      `${proxy.connections} connections to the database are silent for ${(ms / 1_000).toFixed(1)} s`,
    )
    await pause(world, ms)
  },
  async heal(world) {
    world.database.proxy.heal()
  },
}

export const slow: Nemesis = {
  name: 'slow',
  title: 'everything to and from the database takes longer',
  realm: 'network',
  async inject(world, random) {
    const { proxy } = world.database
    if (proxy.connections === 0) return
    const delayMs = random.integer(20, 250)
    proxy.delay(delayMs)
    world.history.fault('slow', `each message takes ${delayMs} ms more`)
    await pause(world, random.integer(1_500, 4_000))
  },
  async heal(world) {
    world.database.proxy.delay(0)
  },
}

export const throttle: Nemesis = {
  name: 'throttle',
  title: 'the connection to the database has little bandwidth',
  realm: 'network',
  async inject(world, random) {
    const { proxy } = world.database
    if (proxy.connections === 0) return
    const bytes = random.integer(4, 32) * 1_024
    proxy.throttle(bytes)
    world.history.fault('throttle', `${bytes / 1_024} KiB/s for each connection`)
    await pause(world, random.integer(1_500, 4_000))
  },
  async heal(world) {
    world.database.proxy.throttle(null)
  },
}

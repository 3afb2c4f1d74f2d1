import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { OncesinkError } from '../../errors.ts'

/*
 * Below the range from which kernels take the ports of outgoing connections (32768 and up on Linux, 49152 and up
 * elsewhere), so that no client of this machine grabs the port between this check and the server's own bind.
 */
const lowest = 20_000
const highest = 32_000
const attempts = 200

/**
 * A port of 127.0.0.1 on which nobody listens now, other than `taken`. A start that loses it to somebody else asks
 * again.
 */
export async function freePort(taken: readonly number[] = []): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = randomInt(lowest, highest)
    if (!taken.includes(port) && (await isFree(port))) return port
  }
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `no free port of 127.0.0.1 was found between ${lowest} and ${highest} in ${attempts} attempts; name one with the option port`,
  )
}

/** Runs `start`, and runs it again when somebody took one of the ports it had chosen. */
export async function retryOnTakenPort<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start()
    } catch (error) {
      if (attempt === 3 || !/address already in use|could not bind/i.test(String(error))) throw error
    }
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

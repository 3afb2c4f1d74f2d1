import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { hostname, platform } from 'node:os'
import { asError } from '../../../errors.ts'

/** A static member id, held by this process until it lets go of it or dies. */
export interface HeldMemberId {
  /** Null where this machine has no lock that ends with its process: then a member has no id that outlives it. */
  readonly id: string | null
  release(): Promise<void>
}

/** More processes of one job than this on one machine find no slot. */
const maxSlots = 1000
/** Kafka's limit is 249. */
const maxNameLength = 60

/**
 * Holds the first free id of this job and machine: job, host, machine and a slot from 0. A process that comes after
 * one that was killed gets the same, and with it the same partitions at once.
 *
 * The slot is an abstract unix socket, which the kernel frees with its process however that ends, and which two
 * processes of one network namespace cannot have both. Only Linux has them.
 */
export async function holdMemberId(job: string, group: string): Promise<HeldMemberId> {
  if (platform() !== 'linux') return { id: null, release: () => Promise.resolve() }
  const name = `${legible(job)}.${legible(hostname())}.${digest(`${job}\0${await machineId()}`)}`
  for (let slot = 0; slot < maxSlots; slot++) {
    // An abstract name may have 107 bytes; the digest of everything has 32.
    const server = await listen(`\0oncesink.${digest(`${group}\0${name}\0${slot}`)}`)
    if (server !== null) return { id: `${name}.${slot}`, release: () => close(server) }
  }
  throw new Error(`${maxSlots} processes of job '${job}' run on this machine already`)
}

/** Null when somebody has it. */
function listen(path: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error) => {
      if ('code' in error && error.code === 'EADDRINUSE') resolve(null)
      else reject(asError(error))
    })
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}

/** The part of a name that may stand in a member id. */
function legible(text: string): string {
  return text.replace(/[^a-zA-Z0-9_-]+/g, '-').slice(0, maxNameLength)
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12)
}

/** Never sent as it is: it is meant to be confidential. Empty in containers that have none. */
async function machineId(): Promise<string> {
  try {
    return (await readFile('/etc/machine-id', 'utf8')).trim()
  } catch {
    return ''
  }
}

import { randomUUID } from 'node:crypto'

/** The only source of chance. */
export interface Random {
  /** A random version-4 UUID. */
  uuid(): string
  /** A number in [0, 1). */
  fraction(): number
}

export const systemRandom: Random = {
  uuid: () => randomUUID(),
  fraction: () => Math.random(),
}

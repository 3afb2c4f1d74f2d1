/** Environment variable by which a process of a chaos run is told, as JSON, what of its job is replaced. */
export const SETTINGS_VARIABLE = 'ONCESINK_CHAOS'

/** What differs between the job as its file defines it and as it runs under chaos. */
export interface LifeSettings {
  readonly brokers: readonly string[]
  /** By address of a broker, the address at which the process is to connect to it. */
  readonly brokerRoutes: Readonly<Record<string, string>>
  readonly databaseUrl: string
  /** The topics that it reads, by the names that the job's file gives them. */
  readonly topics: Readonly<Record<string, string>>
  /** Static id in the group; null where the job has all partitions to itself. */
  readonly member: string | null
  readonly sessionTimeoutMs: number
  /** Table of witnesses; null for none. */
  readonly witness: string | null
}

export function readSettings(env: NodeJS.ProcessEnv): LifeSettings | null {
  const text = env[SETTINGS_VARIABLE]
  return text === undefined ? null : (JSON.parse(text) as LifeSettings)
}

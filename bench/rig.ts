import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { type DatabaseService, type KafkaService, startKafka, startPostgres } from '../src/services/index.ts'

/** A topic and an empty database that are there for one benchmark. */
export interface Rig {
  readonly brokers: readonly string[]
  readonly topic: string
  readonly databaseUrl: string
  query<Row>(sql: string): Promise<Row[]>
  close(): Promise<void>
}

/** Servers are found as the demo finds them: by URLs in the environment, Docker, or processes of this machine. */
export async function openRig(stem: string, partitions: number): Promise<Rig> {
  const [kafkaServer, postgres]: [KafkaService, DatabaseService] = await Promise.all([
    startKafka(),
    startPostgres(),
  ])
  const name = `bench_${stem}_${process.pid}_${Date.now()}`
  const admin = new kafkajs.Kafka({
    clientId: 'oncesink-bench',
    brokers: [...kafkaServer.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  }).admin()
  await admin.connect()
  // The records' timestamps are old: retention would take them at once.
  const configEntries = [{ name: 'retention.ms', value: '-1' }]
  await admin.createTopics({
    topics: [{ topic: name, numPartitions: partitions, configEntries }],
    waitForLeaders: true,
  })
  const server = new pg.Client(postgres.url)
  await server.connect()
  await server.query(`CREATE DATABASE ${name}`)
  const url = new URL(postgres.url)
  url.pathname = `/${name}`
  const client = new pg.Client(url.href)
  await client.connect()
  return {
    brokers: kafkaServer.brokers,
    topic: name,
    databaseUrl: url.href,
    query: async <Row>(sql: string) => (await client.query(sql)).rows as Row[],
    close: async () => {
      await client.end()
      await server.query(`DROP DATABASE ${name} WITH (FORCE)`)
      await server.end()
      await admin.deleteTopics({ topics: [name] }).catch(() => {})
      await admin.disconnect()
      await Promise.all([kafkaServer.stop(), postgres.stop()])
    },
  }
}

/** A line of the job's log that says that a batch has committed. */
export interface BatchLine {
  readonly atMs: number
  readonly records: number
  readonly rows: number
  readonly limitRecords?: number
  readonly lagRecords: number
  readonly processingMs?: number
  readonly schedulingDelayMs?: number
}

/** A job in a process of its own, as users run it. */
export class JobProcess {
  readonly batches: BatchLine[] = []
  /** Largest resident set so far, in MiB, as the kernel counts it. */
  peakRssMib = 0
  /** Processor time so far, of all its threads, in seconds. */
  cpuSeconds = 0
  /** Resident set as last seen, in MiB. */
  rssMib = 0
  /** All of what was seen, every 50 ms, in MiB. */
  readonly rssSamples: number[] = []
  /** When its process was made, in milliseconds since 1970. */
  readonly startedAtMs = Date.now()
  /** When its first line of log was written: Node and the job's modules are loaded then. */
  loadedAtMs = 0
  /** When it had claimed its partitions and began to read, in milliseconds since 1970. */
  runningAtMs = 0
  /** Exit code; rejects with the end of the log when it is not 0. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  #log = ''

  constructor(
    oncesink: string,
    jobFile: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    nodeArgs: readonly string[] = [],
  ) {
    const run = [...nodeArgs, oncesink, 'run', jobFile, '--log-format', 'json', ...args]
    this.#child = spawn(process.execPath, run, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let rest = ''
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#read(line)
    })
    const exited = new Promise<number | null>((resolve) => this.#child.once('close', resolve))
    void this.#watchMemory()
    this.ended = exited.then((code) => {
      if (code !== 0) throw new Error(`the job has ended with exit code ${code}:\n${this.#log}`)
    })
    this.ended.catch(() => {})
  }

  stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    return this.ended
  }

  /** Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended.catch(() => {})
  }

  /** Waits until `condition` is met. @throws Error when the job ends before, or that takes longer than `timeoutMs` */
  async until(condition: (job: JobProcess) => boolean, timeoutMs = 60_000): Promise<void> {
    const deadline = Date.now() + timeoutMs
    while (!condition(this)) {
      if (this.#child.exitCode !== null) await this.ended
      if (Date.now() > deadline) throw new Error(`the job has not come so far:\n${this.#log}`)
      await sleep(5)
    }
  }

  #read(line: string): void {
    this.#log = `${this.#log}${line}\n`.slice(-4_000)
    if (this.loadedAtMs === 0) this.loadedAtMs = Date.now()
    if (line.includes('"event":"state"') && this.runningAtMs === 0) {
      const { time, msg } = JSON.parse(line) as { time: string; msg: string }
      if (msg === 'running') this.runningAtMs = Date.parse(time)
    }
    if (!line.includes('"event":"batch"')) return
    const { time, ...batch } = JSON.parse(line) as { time: string } & Omit<BatchLine, 'atMs'>
    this.batches.push({ ...batch, atMs: Date.parse(time) })
  }

  /** Processor time by now, in seconds, in steps of 10 ms. @throws Error where there is no /proc */
  cpuNow(): number {
    // User and system time, in ticks, after the name in brackets.
    const fields = readFileSync(`/proc/${this.#child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
    return (Number(fields[11]) + Number(fields[12])) / 100
  }

  async #watchMemory(): Promise<void> {
    while (this.#child.exitCode === null && this.#child.signalCode === null) {
      try {
        const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8')
        this.peakRssMib = kibibytes(status, 'VmHWM', this.peakRssMib * 1_024) / 1_024
        this.cpuSeconds = this.cpuNow()
        this.rssMib = kibibytes(status, 'VmRSS', 0) / 1_024
        if (this.rssMib > 0) this.rssSamples.push(this.rssMib)
      } catch {
        // It has just ended, or this machine has no /proc: then there is no figure.
      }
      await sleep(50)
    }
  }
}

/** A process that is just ending has no such field: then it is `otherwise`. */
function kibibytes(status: string, field: string, otherwise: number): number {
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? otherwise)
}

/** @throws Error unless `text` is a whole number from 1 */
export function wholeNumber(option: string, text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1) return value
  throw new Error(`${option} must be a whole number from 1, not '${text}'`)
}

export const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

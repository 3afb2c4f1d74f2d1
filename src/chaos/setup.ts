import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { MysqlPlan } from '../database/mysql/options.ts'
import type { PostgresPlan } from '../database/postgres/options.ts'
import { asError, OncesinkError } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { loadJob } from '../job/load-job.ts'
import {
  createDatabase,
  type DatabaseService,
  dropDatabase,
  type Engine,
  type KafkaService,
  type NativeKafkaCluster,
  runStatements,
  startNativeDatabase,
  startNativeKafka,
  startNativeKafkaCluster,
} from '../services/index.ts'
import { kafkaPlan } from '../wire-source.ts'
import { linkBrokers } from './broker-links.ts'
import { History } from './history.ts'
import { Lives } from './life/lives.ts'
import { chaosJob } from './life/overlay.ts'
import type { LifeSettings } from './life/settings.ts'
import { checkedSpec, loadSpec, tableFile } from './load-spec.ts'
import type { ChaosOptions } from './options.ts'
import { recordSource } from './records.ts'
import type { ChaosSpec } from './spec.ts'
import { RecordStream } from './stream.ts'
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts'
import { createTopics, deleteTopics } from './topics.ts'
import type { World } from './world.ts'

const SESSION_TIMEOUT_MS = 2_000
const PARTITIONS = 4
export const WITNESS_TABLE = 'oncesink_chaos_witness'

/** A world, with what only the run itself needs of it. */
export interface ChaosWorld extends World {
  readonly seed: number
  readonly spec: ChaosSpec
  readonly recordOrigin: string
  readonly witness: string | null
  readonly versions: Readonly<Record<string, string>>
  /** Ends everything that was started and removes everything that was made. */
  close(): Promise<void>
}

export interface SetupOptions extends ChaosOptions {
  readonly seed: number
  readonly brokers: number
  readonly signal: AbortSignal
}

/**
 * Loads the job, starts or takes its servers, and makes topics, database and tables. No process of the job runs yet.
 * @throws OncesinkError CONFIGURATION_INVALID for a job, a spec or servers that cannot be used; what servers fail with
 */
export async function setUp(options: SetupOptions): Promise<ChaosWorld> {
  const cleanUp: (() => Promise<unknown>)[] = []
  const close = async () => {
    for (const step of cleanUp.splice(0).reverse()) await step().catch(() => {})
  }
  try {
    return { ...(await build(options, cleanUp)), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function build(
  options: SetupOptions,
  cleanUp: (() => Promise<unknown>)[],
): Promise<Omit<ChaosWorld, 'close'>> {
  const { signal, seed, onProgress = () => {} } = options
  // A job that asks its environment where its database is must find an answer, also before there is one.
  const loaded = await loadWithEnvironment(options)
  const { job: plain, spec, specFile, engine } = loaded
  const own = randomUUID().slice(0, 8)
  const [kafka, service] = await startServers(options, engine, cleanUp)
  signal.throwIfAborted()
  const isOurs = options.servers === undefined
  const topicNames = topicsOf(plain, spec)
  const topics = Object.fromEntries(topicNames.map((name) => [name, isOurs ? name : `chaos-${own}-${name}`]))
  const partitions = spec.partitions ?? PARTITIONS
  await createTopics(kafka.brokers, Object.values(topics), partitions, isOurs ? options.brokers : 1).catch(
    unusable('SOURCE_UNAVAILABLE', `topics cannot be made at ${kafka.brokers.join(',')}`),
  )
  if (!isOurs) cleanUp.push(() => deleteTopics(kafka.brokers, Object.values(topics)))

  const links = await linkBrokers(kafka.brokers)
  cleanUp.push(() => links.close())

  const name = isOurs ? 'oncesink_chaos' : `oncesink_chaos_${own}`
  const { host } = new URL(service.url)
  const url = await createDatabase(engine, service.url, name).catch(
    unusable('DATABASE_UNAVAILABLE', `a database cannot be made at ${host}`),
  )
  if (!isOurs) cleanUp.push(() => dropDatabase(engine, service.url, name))
  const tables = tableFile(options.job, { spec, file: specFile }, engine)
  if (tables !== null) await runStatements(engine, url, await readFile(tables, 'utf8'))
  const target = addressOf(url, engine)
  const proxy = await startTcpProxy({ target, protocol: engine === 'postgres' ? 'postgres' : 'mysql' })
  const direct = await startTcpProxy({ target, protocol: 'none' })
  cleanUp.push(
    () => proxy.close(),
    () => direct.close(),
  )
  const [proxied, straightUrl] = [through(url, proxy), through(url, direct)]
  let control = isOurs && service.provider === 'native' ? service : null

  const witness = options.witness === false ? null : WITNESS_TABLE
  const isShared = kafkaPlan(plain).assignment === 'group'
  const settings = (databaseUrl: string, member: string | null): LifeSettings => ({
    brokers: kafka.brokers,
    brokerRoutes: links.routes,
    databaseUrl,
    topics,
    member: isShared ? member : null,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    witness,
  })
  const history = new History()
  const lives = new Lives({
    jobFile: options.job,
    env: {
      ...spec.env,
      DATABASE_URL: proxied,
      KAFKA_BROKERS: kafka.brokers.join(','),
    },
    settings: (member) => settings(proxied, member),
    history,
    signal,
  })
  cleanUp.push(() => lives.killAll())
  const source = recordSource(plain, spec, loaded.specPath)
  const stream = new RecordStream({
    brokers: kafka.brokers,
    topics: Object.values(topics),
    named: topics,
    partitions,
    source,
    ratePerSecond: options.ratePerSecond ?? 1_000,
    seed,
    signal,
  })
  cleanUp.push(() => stream.stop())
  onProgress(`records come from ${source.origin}`)
  const job = chaosJob(plain, settings(straightUrl, null))
  return {
    seed,
    spec,
    recordOrigin: source.origin,
    witness,
    history,
    signal,
    job,
    lives,
    stream,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    members: isShared ? (options.members ?? 2) : 1,
    versions: { kafka: kafka.version, [engine]: service.version, node: process.versions.node },
    database: {
      engine,
      url: straightUrl,
      service,
      get control() {
        return control
      },
      proxy,
      failOver: (server) => {
        control = server
        cleanUp.push(() => server.stop())
        for (const way of [proxy, direct]) {
          way.retarget(addressOf(server.url, engine))
          way.reset()
        }
      },
      tables: plain.pipelines.flatMap(({ sink }) => ('table' in sink ? sink.table : [])),
      own: ownTable(job),
    },
    kafka: {
      brokers: kafka.brokers,
      service: kafka,
      topics,
      cluster: isOurs && 'nodes' in kafka ? kafka : null,
      proxies: links.proxies,
    },
  }
}

/** What is wrong with servers that somebody else has started: his to mend. */
function unusable(
  code: 'SOURCE_UNAVAILABLE' | 'DATABASE_UNAVAILABLE',
  what: string,
): (error: unknown) => never {
  return (error) => {
    throw new OncesinkError(code, `${what}: ${asError(error).message || String(error)}`, { cause: error })
  }
}

function addressOf(url: string, engine: Engine): { host: string; port: number } {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port || (engine === 'postgres' ? 5432 : 3306)) }
}

function through(url: string, { host, port }: TcpProxy): string {
  const changed = new URL(url)
  changed.hostname = host
  changed.port = String(port)
  return changed.href
}

interface LoadedJob {
  readonly job: Job
  readonly spec: ChaosSpec
  readonly specFile: string | null
  /** Where a spec would be looked for. */
  readonly specPath: string
  readonly engine: Engine
}

/** Loads the job's file as its processes will: with the names of its servers in the environment. */
async function loadWithEnvironment(options: SetupOptions): Promise<LoadedJob> {
  const { engine, job: file } = options
  const given = typeof options.spec === 'string' ? options.spec : null
  const loadedSpec =
    typeof options.spec === 'object'
      ? { spec: checkedSpec(options.spec, 'spec'), file: null }
      : await loadSpec(file, given)
  const { spec } = loadedSpec
  const scheme = engine === undefined || engine === 'postgres' ? 'postgres' : 'mysql'
  const before = { ...process.env }
  Object.assign(process.env, {
    ...spec.env,
    DATABASE_URL: options.servers?.databaseUrl ?? `${scheme}://chaos:chaos@127.0.0.1:1/chaos`,
    KAFKA_BROKERS: options.servers?.brokers.join(',') ?? '127.0.0.1:1',
  })
  try {
    const job = await loadJob(file)
    const fitting: Engine = job.database.engine
    return {
      job,
      spec,
      specFile: loadedSpec.file,
      specPath: given ?? file.replace(/(\.[cm]?[jt]s)$/, '.chaos$1'),
      engine: engine ?? engineOf(options.servers?.databaseUrl) ?? fitting,
    }
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

function engineOf(url: string | undefined): Engine | undefined {
  if (url === undefined) return undefined
  if (/^postgres(ql)?:/.test(url)) return 'postgres'
  if (/^mariadb:/.test(url)) return 'mariadb'
  return 'mysql'
}

async function startServers(
  { servers, brokers, onProgress = () => {} }: SetupOptions,
  engine: Engine,
  cleanUp: (() => Promise<unknown>)[],
): Promise<[KafkaService | NativeKafkaCluster, DatabaseService]> {
  if (servers) {
    const stop = async () => {}
    return [
      { provider: 'env', version: 'unknown', brokers: [...servers.brokers], stop },
      {
        provider: 'env',
        engine,
        version: 'unknown',
        url: servers.databaseUrl.replace(/^mariadb:/, 'mysql:'),
        stop,
      },
    ]
  }
  const started = await Promise.allSettled([
    brokers > 1
      ? startNativeKafkaCluster({ nodes: brokers, onProgress, properties: quickFailures })
      : startNativeKafka({ onProgress, memory: '384m' }),
    startNativeDatabase(engine, { onProgress, settings: databaseSettings[engine] }),
  ])
  for (const result of started) if (result.status === 'fulfilled') cleanUp.push(() => result.value.stop())
  const [kafka, database] = started
  if (kafka.status === 'rejected') throw kafka.reason
  if (database.status === 'rejected') throw database.reason
  return [kafka.value, database.value]
}

/** Leaders move within seconds. */
const quickFailures = {
  'controller.quorum.election.timeout.ms': '700',
  'controller.quorum.fetch.timeout.ms': '1500',
  'min.insync.replicas': '2',
}

/** Of a server that faults can harm. */
export const databaseSettings: Readonly<Record<Engine, Readonly<Record<string, string>>>> = {
  postgres: {},
  // No file that is written all the time may be larger than a disk that is full: see `disk-full`.
  mysql: { 'innodb-buffer-pool-size': '64M', 'max-binlog-size': '8M' },
  mariadb: { 'innodb-buffer-pool-size': '64M', 'innodb-log-file-size': '24M' },
}

function topicsOf(job: Job, spec: ChaosSpec): readonly string[] {
  const { topics } = kafkaPlan(job)
  if (topics.length > 0) return topics
  if (spec.topics && spec.topics.length > 0) return spec.topics
  throw new OncesinkError(
    'CONFIGURATION_INVALID',
    `job '${job.name}' reads a topicPattern: say in its chaos spec which topics the run is to make, as topics: ['...']`,
  )
}

function ownTable({ database }: Job): (table: string) => string {
  const { schema } = database as PostgresPlan | MysqlPlan
  return database.engine === 'postgres'
    ? (table) => `"${schema}".${table}`
    : (table) => `\`${schema}\`.${table}`
}

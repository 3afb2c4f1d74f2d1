import { describe, expect, test } from 'vitest'
import { chaosJob } from '../../../../src/chaos/life/overlay.ts'
import type { LifeSettings } from '../../../../src/chaos/life/settings.ts'
import type { MysqlPlan } from '../../../../src/database/mysql/options.ts'
import type { PostgresPlan } from '../../../../src/database/postgres/options.ts'
import { append, defineJob, from, json, kafka, mysql, postgres } from '../../../../src/index.ts'
import { kafkaPlan } from '../../../../src/wire-source.ts'

const job = defineJob({
  name: 'j',
  database: postgres({
    connectionString: 'postgres://me:secret@prod:5432/db',
    schema: 's',
    lockTimeoutMs: 500,
  }),
  pipeline: from(kafka({ brokers: ['prod:9092'], topics: ['orders'], startFrom: 'latest', ssl: true }))
    .decode(json<{ a: number }>())
    .into(append({ table: 't' })),
  limits: { maxRecordsPerBatch: 7 },
  ledger: { retentionMs: 5 },
})
const settings: LifeSettings = {
  brokers: ['127.0.0.1:1'],
  brokerRoutes: {},
  databaseUrl: 'postgres://chaos:chaos@127.0.0.1:2/chaos',
  topics: { orders: 'chaos-1-orders' },
  member: 'a',
  sessionTimeoutMs: 2_000,
  witness: 'w',
}

describe('a job under chaos', () => {
  test('reads and writes on the servers of the run only, from the beginning, as the member it is told', () => {
    const plan = kafkaPlan(chaosJob(job, settings))
    expect(plan).toMatchObject({
      brokers: ['127.0.0.1:1'],
      topics: ['chaos-1-orders'],
      startFrom: 'earliest',
      member: 'a',
      sessionTimeoutMs: 2_000,
    })
    expect([plan.ssl, plan.sasl]).toEqual([undefined, undefined])
    const { target } = chaosJob(job, settings).database as PostgresPlan
    expect(target.connectionString).toBe(settings.databaseUrl)
  })

  test('keeps its own limits and policies, and timeouts that are short already', () => {
    const changed = chaosJob(job, settings)
    expect(changed).toMatchObject({ name: 'j', limits: job.limits, poison: job.poison })
    expect(changed.ledger).toEqual({ retentionMs: 5, digest: true })
    expect(changed.database).toMatchObject({ schema: 's', lockTimeoutMs: 500, statementTimeoutMs: 9_000 })
    expect(changed.pipelines[0]).toMatchObject({ sink: { table: 't' }, steps: job.pipelines[0]?.steps })
  })

  test('has a witness as one more output of the same root, and none where none is wanted', () => {
    const [own, witness] = chaosJob(job, settings).pipelines
    expect(witness?.root).toBe(own?.root)
    expect(witness?.sink).toMatchObject({ kind: 'append', table: 'w', meta: { offset: 'kafka_offset' } })
    expect(chaosJob(job, { ...settings, witness: null }).pipelines).toHaveLength(1)
  })

  test('runs on another engine than its own where it is told to', () => {
    const onMysql = chaosJob(job, { ...settings, databaseUrl: 'mysql://root:x@127.0.0.1:3/chaos' })
    expect(onMysql.database).toMatchObject({ engine: 'mysql', lockTimeoutSeconds: 2 })
    expect((onMysql.database as MysqlPlan).target.port).toBe(3)
    const back = { ...job, database: mysql({ connectionString: 'mysql://root:x@prod/db' }) }
    expect(chaosJob(back, settings).database.engine).toBe('postgres')
  })
})

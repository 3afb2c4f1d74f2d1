import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadedWith, type SourceFiles, violations } from '../support/architecture.ts'
import { type ArchitectureRules, rules } from '../support/architecture-rules.ts'

const src = join(import.meta.dirname, '..', '..', 'src')

function readSource(): SourceFiles {
  const paths = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  return Object.fromEntries(
    paths.map((path) => [path.split(sep).join('/'), readFileSync(join(src, path), 'utf8')]),
  )
}

// Every file of src is parsed, which takes long on a machine that does much else.
test('src keeps to the rules of who may import whom', { timeout: 60_000 }, () => {
  expect(violations(readSource(), rules)).toEqual([])
})

test('every file that the rules name is there', () => {
  const named = Object.values(rules.areas).flatMap(({ may, types = [] }) => [...may, ...types])
  const files = [...Object.keys(rules.areas), ...named].filter((name) => name.endsWith('.ts'))
  expect(files.filter((file) => !existsSync(join(src, file)))).toEqual([])
})

describe('a start loads only what its job takes', () => {
  const slow = [
    'fzstd',
    'jiti',
    'knex',
    'lz4js',
    'mysql2',
    'pg',
    'pg-copy-streams',
    'pino',
    'pino-pretty',
    'snappyjs',
  ]
  const slowOnes = (path: string) => {
    const loaded = loadedWith(path, readSource())
    return slow.filter((name) => loaded.has(name))
  }

  test.each(['index.ts', 'job/start.ts', 'wire.ts'])('%s: no driver, no query builder, no codec', (path) => {
    expect(slowOnes(path)).toEqual([])
  })

  test.each([
    ['postgres', ['pg', 'pg-copy-streams']],
    ['mysql', ['mysql2']],
  ])('a connection of %s: its own driver', (engine, drivers) => {
    expect(slowOnes(`database/${engine}/open-connection.ts`)).toEqual(drivers)
  })
})

describe('the rules of the house refuse', () => {
  test.each<[string, string, string, string]>([
    [
      'a model that knows more than itself',
      'model/a.ts',
      `import '../errors.ts'`,
      'model may not import errors.ts',
    ],
    [
      'chance from elsewhere in the model',
      'model/a.ts',
      `import 'node:crypto'`,
      'model is pure and may not import node:crypto',
    ],
    [
      'a driver that knows Kafka',
      'driver/a.ts',
      `import '../source/kafka/options.ts'`,
      'driver may not import source/kafka/options.ts',
    ],
    [
      'a driver that knows PostgreSQL, even by type',
      'driver/a.ts',
      `import type { A } from '../database/postgres/options.ts'`,
      'driver may not import database/postgres/options.ts',
    ],
    [
      'a driver that knows how tasks run',
      'driver/a.ts',
      `import '../executor/inline.ts'`,
      'driver may not import executor/inline.ts',
    ],
    [
      'kafkajs outside of the source',
      'job/a.ts',
      `import { Kafka } from 'kafkajs'`,
      'job may not import the package kafkajs',
    ],
    [
      'knex at run time in a sink',
      'sink/a.ts',
      `import knex from 'knex'`,
      'sink may import only types of the package knex',
    ],
    [
      'knex at run time in a sink, in disguise',
      'sink/a.ts',
      `import { type Knex } from 'knex'`,
      'sink may import only types of the package knex',
    ],
    [
      'pg in the protocol',
      'database/protocol/a.ts',
      `import 'pg/lib/utils.js'`,
      'database/protocol may not import the package pg',
    ],
    [
      'production code on test services',
      'job/a.ts',
      `export * from '../services/index.ts'`,
      'job may not import services/index.ts',
    ],
    [
      'production code on its own nemeses',
      'cli/a.ts',
      `import '../chaos/tcp-proxy.ts'`,
      'cli may not import chaos/tcp-proxy.ts',
    ],
    [
      'production code that loads the demo late',
      'cli/a.ts',
      `await import('../demo/main.ts')`,
      'cli may not import demo/main.ts',
    ],
    [
      'a type written inline',
      'decode/a.ts',
      `type A = import('../driver/driver.ts').A`,
      'decode may not import driver/driver.ts',
    ],
    ['an undeclared package', 'cli/a.ts', `import 'left-pad'`, 'cli may not import the package left-pad'],
  ])('%s', (_, path, text, breach) => {
    expect(violations({ [path]: text }, rules)).toEqual([`${path}: ${breach}`])
  })

  test('a folder without a row', () => {
    expect(violations({ 'helpers/a.ts': '' }, rules)).toEqual([
      'helpers/a.ts: no row of the rules covers this folder',
    ])
  })
})

describe('the rules of the house allow', () => {
  test.each<[string, string, string]>([
    ['Knex as a type in a sink', 'sink/a.ts', `import type { Knex } from 'knex'`],
    ['ports in the driver', 'driver/a.ts', `import type { Source } from '../source/source.ts'`],
    ['concretes in wire.ts', 'wire.ts', `import { KafkaSource } from './source/kafka/kafka-source.ts'`],
    ['services in the demo', 'demo/a.ts', `import { startKafka } from '../services/index.ts'`],
  ])('%s', (_, path, text) => {
    expect(violations({ [path]: text }, rules)).toEqual([])
  })
})

describe('import cycles', () => {
  const open: ArchitectureRules = { areas: { a: { may: ['b'] }, b: { may: ['a'] } }, packages: {} }

  test('are found, over any number of files', () => {
    const files = {
      'a/1.ts': `import './2.ts'`,
      'a/2.ts': `export * from '../b/3.ts'`,
      'b/3.ts': `import { x } from '../a/1.ts'`,
    }
    expect(violations(files, open)).toEqual(['import cycle: a/1.ts -> a/2.ts -> b/3.ts -> a/1.ts'])
  })

  test('do not count when types or late loading close them', () => {
    const files = {
      'a/1.ts': `import './2.ts'`,
      'a/2.ts': `import type { x } from './1.ts'; const late = () => import('./1.ts')`,
    }
    expect(violations(files, open)).toEqual([])
  })

  test('are not confused with two ways to one file', () => {
    const files = { 'a/1.ts': `import './2.ts'; import './3.ts'`, 'a/2.ts': `import './3.ts'`, 'a/3.ts': '' }
    expect(violations(files, open)).toEqual([])
  })
})

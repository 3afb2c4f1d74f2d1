import { existsSync } from 'node:fs'
import { basename, dirname, extname, join, resolve } from 'node:path'
import { OncesinkError } from '../errors.ts'
import { loadDefaultExport } from '../job/load-job.ts'
import { describeValue } from '../model/excerpt.ts'
import { isPlainObject, unknownFields } from '../model/plain-object.ts'
import type { Engine } from '../services/index.ts'
import { type ChaosSpec, specOptions } from './spec.ts'

export interface LoadedSpec {
  readonly spec: ChaosSpec
  /** Null where there is no file: everything is by default. */
  readonly file: string | null
}

/**
 * The spec in `file`, or in the one beside the job's.
 * @throws OncesinkError CONFIGURATION_INVALID: no such file, does not load, or is no spec
 */
export async function loadSpec(jobFile: string, file: string | null): Promise<LoadedSpec> {
  const path = file === null ? besides(jobFile) : resolve(file)
  if (path === null) return { spec: {}, file: null }
  const spec = await loadDefaultExport(path, 'chaos spec')
  return { spec: checkedSpec(spec, path), file: path }
}

export function checkedSpec(spec: unknown, where: string): ChaosSpec {
  if (!isPlainObject(spec)) {
    throw invalid(
      `${where} must have an object as its default export, such as { records }, but has ${describeValue(spec)}`,
    )
  }
  const [unknown] = unknownFields(spec, specOptions)
  if (unknown !== undefined) {
    throw invalid(
      `${where} has '${unknown}', which is no part of a chaos spec: it may have ${specOptions.join(', ')}`,
    )
  }
  for (const name of ['records', 'poison'] as const) {
    if (spec[name] !== undefined && typeof spec[name] !== 'function') {
      throw invalid(
        `${where}: ${name} must be a function (n, random) => record, but is ${describeValue(spec[name])}`,
      )
    }
  }
  const { partitions } = spec
  if (partitions !== undefined && !(Number.isInteger(partitions) && (partitions as number) >= 1)) {
    throw invalid(`${where}: partitions must be a whole number from 1, but is ${describeValue(partitions)}`)
  }
  return spec as ChaosSpec
}

/** The SQL file with the job's tables; null where there is none. */
export function tableFile(jobFile: string, { spec, file }: LoadedSpec, engine: Engine): string | null {
  const named = typeof spec.tables === 'string' ? spec.tables : spec.tables?.[engine]
  if (named !== undefined) {
    const path = resolve(dirname(file ?? jobFile), named)
    if (existsSync(path)) return path
    throw invalid(
      `the chaos spec names ${path} as the SQL file of the job's tables, and there is no such file`,
    )
  }
  const folder = dirname(resolve(jobFile))
  const found = [`tables.${engine}.sql`, 'tables.sql'].map((name) => join(folder, name)).find(existsSync)
  return found ?? null
}

function besides(jobFile: string): string | null {
  const path = resolve(jobFile)
  const stem = join(dirname(path), basename(path, extname(path)))
  const found = ['.ts', '.mts', '.js', '.mjs'].map((end) => `${stem}.chaos${end}`).find(existsSync)
  return found ?? null
}

function invalid(message: string): OncesinkError {
  return new OncesinkError('CONFIGURATION_INVALID', message)
}

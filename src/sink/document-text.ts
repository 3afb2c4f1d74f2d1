import { describeValue } from '../model/excerpt.ts'
import { isPlainObject } from '../model/plain-object.ts'

/** Deepest nesting: what MySQL takes, so that a job means the same on every engine. */
const MAX_DEPTH = 100

/**
 * The canonical JSON text of plain objects, arrays, strings, finite numbers, booleans and null: names in the order of
 * their code units, no spaces. Fields that are undefined are left out.
 * @throws Error that says where there is something that JSON cannot hold
 */
export function documentText(value: unknown): string {
  return textOf(value, [])
}

function textOf(value: unknown, path: readonly string[]): string {
  if (path.length > MAX_DEPTH) throw new Error(`it is nested deeper than ${MAX_DEPTH} levels, or in itself`)
  switch (typeof value) {
    case 'string':
      return stringText(value, path)
    case 'boolean':
      return String(value)
    case 'number':
      if (Number.isFinite(value)) return JSON.stringify(value)
      break
    case 'object':
      if (value === null) return 'null'
      if (Array.isArray(value)) {
        return `[${Array.from(value, (item, i) => textOf(item, [...path, String(i)])).join(',')}]`
      }
      if (isPlainObject(value)) return objectText(value, path)
      break
    default:
  }
  const hint = value instanceof Date ? ': write it as text, with toISOString()' : ''
  throw new Error(`${placeOf(path)} is ${describeValue(value)}, which JSON does not have${hint}`)
}

function objectText(value: Readonly<Record<string, unknown>>, path: readonly string[]): string {
  const fields = Object.keys(value)
    .sort()
    .filter((name) => value[name] !== undefined)
    .map((name) => {
      const inner = [...path, name]
      return `${stringText(name, inner)}:${textOf(value[name], inner)}`
    })
  return `{${fields.join(',')}}`
}

function stringText(value: string, path: readonly string[]): string {
  if ((value as string & { isWellFormed(): boolean }).isWellFormed()) return JSON.stringify(value)
  throw new Error(`${placeOf(path)} has half a surrogate pair, which UTF-8 cannot hold`)
}

function placeOf(path: readonly string[]): string {
  return path.length === 0
    ? 'it'
    : `the value at ${describeValue(path.join('.')).replace(/^the string /, '')}`
}

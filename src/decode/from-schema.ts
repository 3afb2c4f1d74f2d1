import { isThenable, printable } from '../model/excerpt.ts'
import type { Decoder } from './decoder.ts'
import { json } from './json.ts'
import type { SchemaIssue, StandardSchema } from './standard-schema.ts'

/** Issues that a message names; the others are counted. */
const MAX_ISSUES = 3

/**
 * Values are JSON texts that `schema` accepts; the job gets what it makes of them. A record fails for which
 * {@link json} fails or that the schema refuses, with the path and the message of its first issues, and so does every
 * record when the schema validates asynchronously.
 */
export function decoderFromSchema<T>(schema: StandardSchema<T>): Decoder<T> {
  const parser = json<unknown>()
  const standard = schema['~standard']
  return {
    name: `json, ${standard.vendor} schema`,
    decode(buffer, start, end, meta) {
      const result = standard.validate(parser.decode(buffer, start, end, meta))
      if (isThenable(result)) {
        // Nobody will ever await it.
        result.then(undefined, () => {})
        throw new Error('the schema validates asynchronously, but functions of a job are synchronous')
      }
      if (result.issues) throw new Error(`the value does not fit the schema: ${listed(result.issues)}`)
      return result.value
    },
  }
}

function listed(issues: readonly SchemaIssue[]): string {
  const first = issues.slice(0, MAX_ISSUES).map(({ path, message }) => {
    const where = pathText(path ?? [])
    return where === '' ? printable(message) : `${where}: ${printable(message)}`
  })
  const more = issues.length - first.length
  return `${first.join('; ')}${more > 0 ? `; and ${more} more` : ''}`
}

/** `customer.addresses[0].city` */
function pathText(path: NonNullable<SchemaIssue['path']>): string {
  return path
    .map((segment) => (typeof segment === 'object' ? segment.key : segment))
    .map((key, i) => {
      if (typeof key === 'number') return `[${key}]`
      return `${i === 0 ? '' : '.'}${printable(String(key))}`
    })
    .join('')
}

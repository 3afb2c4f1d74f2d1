/** Longest excerpt of a value in a message, in characters. */
const MAX_LENGTH = 160

/** Control and format characters, lone surrogates, unassigned: they could forge or garble a log line. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu

/** `text` for a message: quoted, on one line, unprintable characters escaped, and cut when long. */
export function excerpt(text: string): string {
  return `"${printable(text.slice(0, MAX_LENGTH).replace(/["\\]/g, '\\$&'))}${text.length > MAX_LENGTH ? '…' : ''}"`
}

/** `text` on one line, unprintable characters escaped: somebody else's message inside one of ours. */
export function printable(text: string): string {
  return text.replace(unprintable, (char) => `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`)
}

/** What a value is, for a message: its type, and its content where that is short to tell. */
export function describeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the string ${excerpt(value)}`
    case 'bigint':
      return `the bigint ${excerpt(String(value)).slice(1, -1)}n`
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'object':
      if (value === null) return 'null'
      if (value instanceof Date) {
        return Number.isNaN(value.getTime()) ? 'an invalid Date' : `the Date ${value.toISOString()}`
      }
      if (isThenable(value)) return 'a Promise (functions of a job are synchronous)'
      return Array.isArray(value) ? 'an array' : 'an object'
    case 'function':
    case 'symbol':
      return `a ${typeof value}`
    default:
      return String(value)
  }
}

/** Whether awaiting `value` would wait for something. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  )
}

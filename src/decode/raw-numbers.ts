import { pathText } from './path-text.ts'

/*
 * JSON's numbers are decimals of any length; JSON.parse gives the nearest double, and says nothing of what it rounded.
 * Up to 15 digits and two of the exponent a double gives the decimal back, so that only longer numbers need a look
 * at how they are written.
 */

const longNumber = /\d(?:\.?\d){15}|[eE][+-]?\d{3}/

/** Whether `text` may hold a number that a double does not hold. Text inside of strings counts too. */
export function hasLongNumber(text: string): boolean {
  return longNumber.test(text)
}

/** Parses JSON that JSON.parse has accepted, with every number as the text that it is written as. */
export function withRawNumbers(text: string): unknown {
  let quoted = ''
  let copied = 0
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) at = endOfString(text, at)
    else if (code === MINUS || isDigit(code)) {
      const end = endOfNumber(text, at)
      quoted += `${text.slice(copied, at)}"${text.slice(at, end)}"`
      copied = end
      at = end
    } else at += 1
  }
  return JSON.parse(quoted + text.slice(copied))
}

const QUOTE = 34
const MINUS = 45
const BACKSLASH = 92

function endOfString(text: string, begin: number): number {
  for (let end = begin; ; ) {
    end = text.indexOf('"', end + 1)
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes += 1
    if (backslashes % 2 === 0) return end + 1
  }
}

function endOfNumber(text: string, begin: number): number {
  let end = begin + 1
  while (end < text.length && '0123456789.eE+-'.includes(text.charAt(end))) end += 1
  return end
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57
}

/** Whether the double nearest to the JSON number `raw` stands for the same decimal. */
export function isExact(raw: string): boolean {
  return canonical(raw) === canonical(String(Number(raw)))
}

/** Sign, digits that carry information, and the exponent of the last of them. */
function canonical(number: string): string {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number)
  if (!match) return number
  const [, sign = '', integer = '', fraction = '', exponent = '0'] = match
  const digits = (integer + fraction).replace(/^0+/, '')
  const kept = digits.replace(/0+$/, '')
  if (kept === '') return '0'
  return `${sign}${kept}e${Number(exponent) - fraction.length + (digits.length - kept.length)}`
}

/**
 * The first number in `value` that a double does not hold, as it is written; null when there is none.
 * @param raw the same JSON {@link withRawNumbers}
 */
export function inexactNumber(value: unknown, raw: unknown): { path: string; written: string } | null {
  const open: [unknown, unknown, readonly string[]][] = [[value, raw, []]]
  for (let next = open.pop(); next; next = open.pop()) {
    const [inner, written, path] = next
    if (typeof inner === 'number' && !isExact(String(written))) {
      return { path: pathText(path), written: String(written) }
    }
    if (typeof inner !== 'object' || inner === null) continue
    for (const [name, child] of Object.entries(inner).reverse()) {
      open.push([child, (written as Record<string, unknown>)[name], [...path, name]])
    }
  }
  return null
}

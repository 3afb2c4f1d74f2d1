import { printable } from '../model/excerpt.ts'

/** Longest path in a message, in characters. */
const MAX_PATH = 160

/** `customer.id`, for messages. */
export function pathText(path: readonly string[]): string {
  const text = printable(path.join('.'))
  return text.length > MAX_PATH ? `${text.slice(0, MAX_PATH)}…` : text
}

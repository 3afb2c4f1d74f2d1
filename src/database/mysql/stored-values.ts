/** A `datetime(6)` of oncesink's own tables, which is UTC, as a Date (to the millisecond). */
export function dateOf(text: string): Date {
  return new Date(`${text.replace(' ', 'T')}Z`)
}
